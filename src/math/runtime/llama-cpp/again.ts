/** Limits of a program that chooses its options by the load: each load is planned whole. */
import type { EnginePlan, EngineRefusal } from "../runtime.ts";
import { largest } from "../search.ts";
import { CELL_PADDING, MAX_SEQUENCES } from "./caches.ts";

export interface OtherLoad {
  /** Left out: as it is. */
  readonly context?: number;
  readonly sequences?: number;
  /** null: left to the program. */
  readonly gpuLayers: number | null;
}

export type Again = (load: Omit<OtherLoad, "gpuLayers">) => EnginePlan | EngineRefusal;

function fitsSo(plan: EnginePlan | EngineRefusal): boolean {
  return plan.status === "planned" && plan.spare.every((left) => left === null || left >= 0);
}

/** As solve.ts has it. @param trained null: not known */
export function largestContextAgain(trained: number | null, again: Again): number | null {
  if (trained === null) return null;
  const good = (context: number): boolean => fitsSo(again({ context }));
  if (good(trained)) return trained;
  const steps = largest(1, Math.floor(trained / CELL_PADDING), (k) => good(k * CELL_PADDING));
  return steps === null ? null : steps * CELL_PADDING;
}

export function mostSequencesAgain(again: Again): number | null {
  return largest(1, MAX_SEQUENCES, (sequences) => fitsSo(again({ sequences })));
}
