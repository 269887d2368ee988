import type { WeightsChoice } from "./plan-input.ts";
import type { EnginePlan } from "./runtime/runtime.ts";

/**
 * The largest weights that would fit with everything else as it is: each slot's weights are scaled by the ratio of the
 * choice's bytes to the plan's. null: none fits, or there is nothing to choose from.
 * @param now  Σ tensor bytes of the weights that the plan is for
 */
export function bestWeights(choices: readonly WeightsChoice[], now: number, plan: EnginePlan): string | null {
  let best: WeightsChoice | null = null;
  for (const choice of choices) {
    const growth = choice.bytes / now - 1;
    const good = plan.spare.every((left, i) => left === null || left >= (plan.parts.weights_bytes[i] ?? 0) * growth);
    if (good && (best === null || choice.bytes > best.bytes)) best = choice;
  }
  return best?.name ?? null;
}
