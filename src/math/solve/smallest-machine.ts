import type { Machine } from "../machine.ts";
import { planModel } from "../plan.ts";
import type { PlanInput } from "../plan-input.ts";

/**
 * The first machine, in the order given, that runs the plan: everything fits, and where nothing was said of it, all layers
 * on the accelerators. null: none does. A machine that an engine refuses is passed over.
 * @throws {RangeError} as planModel
 */
export function firstThatRuns(input: Omit<PlanInput, "machine">, machines: readonly Machine[]): Machine | null {
  return machines.find((machine) => runs(input, machine)) ?? null;
}

function runs(input: Omit<PlanInput, "machine">, machine: Machine): boolean {
  const { options } = input;
  const whole = options.gpuLayers === null && machine.accelerators.length > 0;
  const planned = planModel({ ...input, machine, options: whole ? { ...options, gpuLayers: "all" } : options });
  if (planned.status !== "planned") return false;
  const { spare, total } = planned.plan;
  return spare.every((left, slot) => (left === null ? slot === spare.length - 1 || total[slot] === 0 : left >= 0));
}
