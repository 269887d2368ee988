/** Which weights the page offers: what the engine says the model can be had in. */
import type { PlanInput, WeightsChoice } from "../../math/plan-input.ts";
import { RUNTIMES } from "../../math/runtime/index.ts";

export function offeredWeights({ subject, engine }: PlanInput): readonly WeightsChoice[] {
  return subject.spec.status === "ok" ? RUNTIMES[engine].weightsChoices(subject.spec.spec, subject) : [];
}
