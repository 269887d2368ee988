/** Limits of an engine that chooses where things lie, or how large its steps are, by the load: each load is planned whole. */
import type { EnginePlan, EngineRefusal } from "./runtime.ts";
import { largest } from "./search.ts";

export interface OtherLoad {
  /** Left out: as it is. */
  readonly context?: number;
  readonly sequences?: number;
}

export type Again = (load: OtherLoad) => EnginePlan | EngineRefusal;

function fitsSo(plan: EnginePlan | EngineRefusal): boolean {
  return plan.status === "planned" && plan.spare.every((left) => left === null || left >= 0);
}

/**
 * The longest context that fits, a multiple of `step` or all that the model was trained for.
 * @param trained null: not known, and so is the answer
 */
export function largestContextAgain(trained: number | null, step: number, again: Again): number | null {
  if (trained === null) return null;
  const good = (context: number): boolean => fitsSo(again({ context }));
  if (good(trained)) return trained;
  const steps = largest(1, Math.floor(trained / step), (k) => good(k * step));
  return steps === null ? null : steps * step;
}

export function mostSequencesAgain(most: number, again: Again): number | null {
  return largest(1, most, (sequences) => fitsSo(again({ sequences })));
}
