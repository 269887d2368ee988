/** Which weights the page offers: a repository's files, else the presets that make sense of a finished model. */
import type { PlanInput, WeightsChoice } from "../../math/plan-input.ts";
import { presetsOf } from "../../math/weights-choice.ts";

/** Ternary and one- and two-bit types for models that were trained in them: any other model is ruined by them. */
const FOR_TRAINED_SO: ReadonlySet<string> = new Set(["Q1_0", "Q2_0", "TQ1_0", "TQ2_0"]);

export function offeredWeights({ subject }: PlanInput): readonly WeightsChoice[] {
  if (subject.choices.length > 0) return subject.choices;
  if (subject.spec.status !== "ok") return [];
  return presetsOf(subject.spec.spec).filter((choice) => !FOR_TRAINED_SO.has(choice.name));
}
