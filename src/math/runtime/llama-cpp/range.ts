import { OVERHEAD } from "./allocation.ts";
import type { Totals } from "./memory.ts";
import type { Prepared } from "./prepare.ts";

/** Share of the compute buffer that the model may be off by, both ways, in four of five cases. Fitted: docs/accuracy.md. */
export const COMPUTE_BAND = 0.07;
/** The same for weights whose types are predicted with an importance matrix in play. A guess: nobody measured it. */
export const WEIGHTS_BAND = 0.01;

/** The 80 % range of all bytes of a load. Parts that equal llama.cpp's own arithmetic add nothing to it. */
export function loadRange(prepared: Prepared, load: Totals): { readonly low: number; readonly high: number } {
  let low = 0;
  let high = 0;
  const weightsBand = prepared.model.weights?.basis === "exact" ? 0 : WEIGHTS_BAND;
  for (let i = 0; i < prepared.slots.length; i++) {
    const total = load.total[i] ?? 0;
    const compute = (load.compute[i] ?? 0) * COMPUTE_BAND;
    const weights = (prepared.weights[i] ?? 0) * weightsBand;
    const backend = prepared.slots[i]?.backend ?? "cpu";
    const driver = (load.overhead[i] ?? 0) > 0 ? OVERHEAD[backend] : { low: 0, mid: 0, high: 0 };
    low += total - compute - weights - (driver.mid - driver.low);
    high += total + compute + weights + (driver.high - driver.mid);
  }
  return { low: Math.round(low), high: Math.round(high) };
}
