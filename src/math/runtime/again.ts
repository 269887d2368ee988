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
 * The longest context that fits, a multiple of `step`, all that the model was trained for, or the one known.
 * @param trained null: not known, and so is the answer
 * @param known fits: larger steps may make a shorter one need more, so the search starts above it; null: none is known
 */
export function largestContextAgain(
  trained: number | null,
  step: number,
  again: Again,
  known: number | null = null,
): number | null {
  if (trained === null) return null;
  const good = (context: number): boolean => fitsSo(again({ context }));
  if (good(trained)) return trained;
  const first = known === null ? 1 : Math.floor(known / step) + 1;
  const steps = largest(first, Math.floor(trained / step), (k) => good(k * step));
  return steps === null ? known : steps * step;
}

/** @param known as many fit; null: not known of any number */
export function mostSequencesAgain(most: number, again: Again, known: number | null = null): number | null {
  return largest((known ?? 0) + 1, most, (sequences) => fitsSo(again({ sequences }))) ?? known;
}
