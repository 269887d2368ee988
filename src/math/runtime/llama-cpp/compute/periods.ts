/**
 * Where a model repeats itself: runs of layers that are alike and lie alike, one after the other or in a pattern. Of a long
 * run a few layers stand for all, if the allocator is found in the same state from one period to the next (peak.ts).
 */

/** The longest pattern that is looked for: six sliding layers to a full one and the like. */
const LONGEST_PERIOD = 12;
/** Periods kept at the beginning of a run: the state settles in the first two, the third shows that it has. */
const HEAD = 3;
/** … and at its end: the last one has other neighbours. */
const TAIL = 1;

/** A place where whole periods were left out, in numbers of the layers that were kept. */
export interface Seam {
  /** The layers left out would stand before this one. */
  readonly at: number;
  readonly period: number;
}

export interface Kept {
  /** Indexes of the layers that are kept. */
  readonly layers: readonly number[];
  readonly seams: readonly Seam[];
}

/**
 * @param signatures by layer: equal where layers are alike in all that a step's graph and its schedule look at
 * @param times periods that are taken for one: memory may change sides from one to the next
 */
export function keepPeriods(signatures: readonly string[], times: 1 | 2 = 1): Kept {
  const layers: number[] = [];
  const seams: Seam[] = [];
  let i = 0;
  while (i < signatures.length) {
    const { period, length, left } = bestRun(signatures, i, times);
    if (left === 0) {
      layers.push(i++);
      continue;
    }
    const end = i + length;
    for (let k = i; k < i + HEAD * period; k++) layers.push(k);
    seams.push({ at: layers.length, period });
    for (let k = i + HEAD * period + left; k < end; k++) layers.push(k);
    i = end;
  }
  return { layers, seams };
}

/** The run from here that leaves out most. */
function bestRun(
  signatures: readonly string[],
  from: number,
  times: number,
): { readonly period: number; readonly length: number; readonly left: number } {
  let best = { period: 1, length: 1, left: 0 };
  for (let period = times; period <= LONGEST_PERIOD * times; period += times) {
    let end = from + period;
    while (end < signatures.length && signatures[end] === signatures[end - period]) end++;
    const length = Math.min(end, signatures.length) - from;
    const left = Math.max(0, Math.floor(length / period) - HEAD - TAIL) * period;
    if (left > best.left) best = { period, length, left };
  }
  return best;
}
