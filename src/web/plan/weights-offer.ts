/** Which weights the page offers: a repository's files, else the presets that make sense of a finished model. */
import { FOR_TRAINED_SO } from "../../math/parts/presets-table.ts";
import type { PlanInput, WeightsChoice } from "../../math/plan-input.ts";
import { presetsOf } from "../../math/weights-choice.ts";

export function offeredWeights({ subject }: PlanInput): readonly WeightsChoice[] {
  if (subject.choices.length > 0) return subject.choices;
  if (subject.spec.status !== "ok") return [];
  return presetsOf(subject.spec.spec).filter((choice) => !FOR_TRAINED_SO.has(choice.name));
}
