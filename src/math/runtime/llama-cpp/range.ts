import { OVERHEAD } from "./allocation.ts";
import { computeRange } from "./compute/range.ts";
import type { Totals } from "./memory.ts";
import type { Prepared } from "./prepare.ts";

/** Share that weights may be off by when their types are predicted with an importance matrix in play. A guess: nobody measured it. */
export const WEIGHTS_BAND = 0.01;

/**
 * The 80 % range of all bytes of a load. Parts that equal llama.cpp's own arithmetic add nothing to it; a compute buffer
 * as far as its back-end is open (compute/range.ts), the driver from the smallest to the largest that was reported.
 */
export function loadRange(prepared: Prepared, load: Totals): { readonly low: number; readonly high: number } {
  const { model, placement, machine, hostSlot } = prepared;
  const range = computeRange(model, load.options, load.shape, placement, machine.accelerators);
  const weightsBand = model.weights?.basis === "exact" ? 0 : WEIGHTS_BAND;
  let low = 0;
  let high = 0;
  for (let i = 0; i < prepared.slots.length; i++) {
    const compute = load.compute[i] ?? 0;
    const least = i === hostSlot ? range.low.host : (range.low.devices[i] ?? compute);
    const most = i === hostSlot ? range.high.host : (range.high.devices[i] ?? compute);
    const fixed = (load.total[i] ?? 0) - compute;
    const weights = (prepared.weights[i] ?? 0) * weightsBand;
    const backend = prepared.slots[i]?.backend ?? "cpu";
    const driver = (load.overhead[i] ?? 0) > 0 ? OVERHEAD[backend] : { low: 0, mid: 0, high: 0 };
    low += fixed + least - weights - (driver.mid - driver.low);
    high += fixed + most + weights + (driver.high - driver.mid);
  }
  return { low: Math.round(low), high: Math.round(high) };
}
