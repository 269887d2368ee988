import { OVERHEAD } from "../driver-overhead.ts";
import { computeRange } from "./compute/range.ts";
import type { Totals } from "./memory.ts";
import type { Prepared } from "./prepare.ts";
import { NEWEST_RULES } from "./rules.ts";

/** Share that weights may be off by when their types are predicted with an importance matrix in play. A guess: nobody measured it. */
export const WEIGHTS_BAND = 0.01;

/**
 * How far the compute buffers of older builds may be from those of the newest, which are what is worked out: graphs changed
 * again and again. Shares of the figure; chosen with the older loads of tests/fixtures/load-logs in view, so no forecast
 * of theirs. On the host the figure is nearly always too large: older builds kept one copy of a step's input less there.
 */
const OLDER_BUILDS = {
  oneAccelerator: { low: 0.85, high: 1.15 },
  severalAccelerators: { low: 0.5, high: 1.15 },
  host: { low: 0.2, high: 1.35 },
} as const;

const ALIKE = { low: 1, high: 1 };

/**
 * The 80 % range of all bytes of a load. Parts that equal llama.cpp's own arithmetic add nothing to it; a compute buffer
 * as far as its back-end is open (compute/range.ts), the driver from the smallest to the largest that was reported.
 */
export function loadRange(prepared: Prepared, load: Totals): { readonly low: number; readonly high: number } {
  const { model, placement, machine, hostSlot } = prepared;
  const mid = { devices: load.buffers.slice(0, hostSlot), host: load.buffers[hostSlot] ?? 0 };
  const range = computeRange(model, load.options, load.shape, placement, machine.accelerators, mid);
  const weightsBand = model.weights?.basis === "exact" ? 0 : WEIGHTS_BAND;
  const older = load.options.rules.build < NEWEST_RULES.build;
  const device = OLDER_BUILDS[hostSlot > 1 ? "severalAccelerators" : "oneAccelerator"];
  let low = 0;
  let high = 0;
  for (let i = 0; i < prepared.slots.length; i++) {
    const compute = load.buffers[i] ?? 0;
    const off = older ? (i === hostSlot ? OLDER_BUILDS.host : device) : ALIKE;
    // A layout without what is open can be larger for a moment than the one with it.
    const least = off.low * Math.min(compute, i === hostSlot ? range.low.host : (range.low.devices[i] ?? compute));
    const most = off.high * (i === hostSlot ? range.high.host : (range.high.devices[i] ?? compute));
    const fixed = (load.total[i] ?? 0) - compute;
    const weights = (prepared.weights[i] ?? 0) * weightsBand;
    const backend = prepared.slots[i]?.backend ?? "cpu";
    const driver = (load.overhead[i] ?? 0) > 0 ? OVERHEAD[backend] : { low: 0, mid: 0, high: 0 };
    low += fixed + least - weights - (driver.mid - driver.low);
    high += fixed + most + weights + (driver.high - driver.mid);
  }
  for (const beside of load.beside) {
    const compute = beside.compute?.reduce((sum, bytes) => sum + bytes, 0) ?? 0;
    low -= compute * (1 - beside.low);
    high += compute * (beside.high - 1);
  }
  return { low: Math.round(low), high: Math.round(high) };
}
