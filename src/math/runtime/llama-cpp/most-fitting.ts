import { largest, largestNear } from "../search.ts";
import { shapeCaches } from "./caches.ts";
import { spare, type Totals, totals, totalsWith } from "./memory.ts";
import type { Prepared } from "./prepare.ts";

/** Below this many the estimate costs as much as it saves. */
const WORTH_ESTIMATING = 8;

/** Accelerators' own limits alone: what lies in system memory is another question. */
export function fitsAccelerators(prepared: Prepared): boolean {
  const { options } = prepared;
  return holds(prepared, totals(prepared, options.context, options.sequences));
}

/** With one memory for both, moving a layer to the host frees nothing: only an accelerator's own limit counts here. */
function holds(prepared: Prepared, load: Totals, only: number | null = null): boolean {
  const left = spare(prepared, load).slice(0, prepared.machine.accelerators.length);
  return left.every((bytes, slot) => (only !== null && slot !== only) || bytes === null || bytes >= 0);
}

/**
 * The most i of 0 … high that the accelerators hold, where each step takes them more. A compute buffer of a new placement
 * costs a hundred times what the rest does: it is estimated by that of the middle one, and only the answer and its
 * neighbours are worked out whole. null: not even 0.
 * @param only the one accelerator that is looked at; null: all
 */
export function mostFitting(high: number, at: (i: number) => Prepared, only: number | null = null): number | null {
  const exact = (i: number): boolean => {
    const prepared = at(i);
    const { context, sequences } = prepared.options;
    return holds(prepared, totals(prepared, context, sequences), only);
  };
  if (high < WORTH_ESTIMATING) return largest(0, high, exact);
  if (exact(high)) return high;
  const middle = at(high >> 1);
  const { buffers } = totals(middle, middle.options.context, middle.options.sequences);
  const near = (i: number): boolean => {
    const prepared = at(i);
    const { options } = prepared;
    const shape = shapeCaches(options, options.context, options.sequences);
    return holds(prepared, totalsWith(prepared, options, shape, buffers), only);
  };
  return largestNear(0, high - 1, near, exact);
}
