/**
 * Bytes of K and V behind sizes that are printed to 0.01 MiB. A cache is linear in its cells, so the same model is asked once
 * more with 2^20 of them (nothing is allocated): there 0.01 MiB is a hundredth of a byte per cell, and the bytes of one cell,
 * a whole number, can be read off.
 */
import { MIB } from "../../math/units.ts";
import type { AskedContext, CachePart, ContextAnswer } from "./protocol.ts";

const MAGNIFIED_CELLS = 2 ** 20;

/** The context to ask for beside `asked`: same layers and types, full-length windows, one sequence, no more work than needed. */
export function magnified(asked: AskedContext): AskedContext {
  return { ...asked, contextTotal: MAGNIFIED_CELLS, sequences: 1, ubatch: 32, swaFull: true };
}

/**
 * Bytes of all caches of `answer`.
 *   Σ parts: streams · cells · (K of a cell + V of a cell)
 * @returns null when the two answers do not show the same caches, or a cell's bytes come out as no whole number
 */
export function exactCacheBytes(answer: ContextAnswer, magnifiedAnswer: ContextAnswer): number | null {
  if (answer.status !== "ok" || magnifiedAnswer.status !== "ok") return null;
  if (answer.caches.length !== magnifiedAnswer.caches.length) return null;
  let sum = 0;
  for (const [i, part] of answer.caches.entries()) {
    const large = magnifiedAnswer.caches[i];
    if (large === undefined || large.layers !== part.layers) return null;
    const k = cellBytes(large, large.k.mib);
    const v = cellBytes(large, large.v.mib);
    if (k === null || v === null) return null;
    const bytes = part.streams * part.cells * (k + v);
    if (Math.abs(bytes / MIB - part.mib) > 0.011) return null;
    sum += bytes;
  }
  return sum;
}

function cellBytes(part: CachePart, mib: number): number | null {
  const each = (mib * MIB) / (part.cells * part.streams);
  const whole = Math.round(each);
  return Math.abs(each - whole) < 0.02 ? whole : null;
}
