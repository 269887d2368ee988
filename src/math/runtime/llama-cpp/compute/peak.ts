/**
 * How large a buffer a program needs. Its sizes are linear in the caches' length, so offsets are, too, for as long as the
 * allocator decides alike: one run gives the peak as base + slope x cells, and the lengths for which it is that. A slider
 * of the context meets a few dozen such pieces.
 * @source ggml/src/ggml-alloc.c ggml_dyn_tallocr_alloc, ggml_dyn_tallocr_free_bytes at llama.cpp v0.5.0
 */
import { CELL_PADDING } from "../caches.ts";
import type { Piece } from "./pieces.ts";
import type { Program } from "./program.ts";
import { type Described, describe } from "./tensor.ts";

const MAX_BLOCKS = 256;
const ENDLESS = 2 ** 52;

/** A quantity at the length that is run, and what it is made of: value = base + slope x cells. */
class Lines {
  value: Float64Array;
  base: Float64Array;
  slope: Float64Array;

  constructor(length: number) {
    this.value = new Float64Array(length);
    this.base = new Float64Array(length);
    this.slope = new Float64Array(length);
  }

  copy(to: number, from: number): void {
    this.value[to] = this.value[from] as number;
    this.base[to] = this.base[from] as number;
    this.slope[to] = this.slope[from] as number;
  }

  copyFrom(to: number, other: Lines, from: number): void {
    this.value[to] = other.value[from] as number;
    this.base[to] = other.base[from] as number;
    this.slope[to] = other.slope[from] as number;
  }

  /** this[to] += sign x other[from] */
  add(to: number, other: Lines, from: number, sign: 1 | -1): void {
    this.value[to] = (this.value[to] as number) + sign * (other.value[from] as number);
    this.base[to] = (this.base[to] as number) + sign * (other.base[from] as number);
    this.slope[to] = (this.slope[to] as number) + sign * (other.slope[from] as number);
  }

  grow(length: number): void {
    if (length <= this.value.length) return;
    this.value = new Float64Array(2 * length);
    this.base = new Float64Array(2 * length);
    this.slope = new Float64Array(2 * length);
  }
}

const offsets = new Lines(MAX_BLOCKS);
const sizes = new Lines(MAX_BLOCKS);
/** Where each slot lies. */
const places = new Lines(4096);
/** What each size of the program is. */
const wanted = new Lines(256);
/** The lengths that the run is good for. */
let low = 0;
let high = ENDLESS;

/**
 * A line along which the lengths grow: both caches together, or the full one beside a window's of fixed length. On it all
 * sizes are base + slope x cells at multiples of 256 cells, as all caches are.
 */
const TOGETHER = -1;

/** Bytes of the device's buffer with `full` cells in each stream of the caches, `window` in those of a window. */
export function peakBytes(program: Program, full: number, window: number): number {
  const line = full === window ? TOGETHER : window;
  const known = program.pieces.find(line, full);
  if (known !== null) return known.base + known.slope * full;
  const piece = run(program, full, window);
  program.pieces.keep(line, piece);
  return piece.base + piece.slope * full;
}

export interface Alive {
  readonly owner: Described;
  readonly bytes: number;
}

/** What lies in the buffer when it is at its largest, in the order of taking; what is missing to the peak are gaps. */
export function aliveAtPeak(
  program: Program,
  full: number,
  window: number,
): { readonly peak: number; readonly alive: readonly Alive[]; readonly last: Described | null } {
  let at = -1;
  const { base, slope } = run(program, full, window, (event) => {
    at = event;
  });
  const slots = new Set<number>();
  for (const event of program.events.subarray(0, at + 1)) {
    if (event >= 0) slots.add(event);
    else slots.delete(~event);
  }
  const alive: Alive[] = [];
  for (const slot of slots) {
    const owner = ownerOf(program, slot);
    const bytes = wanted.value[program.sizeOf[slot] ?? 0] ?? 0;
    if (bytes > 0) alive.push({ owner, bytes });
  }
  const last = program.events[at];
  return { peak: base + slope * full, alive, last: last === undefined ? null : ownerOf(program, last) };
}

function ownerOf({ owners, schedule }: Program, slot: number): Described {
  return describe(schedule, owners[slot] ?? 0);
}

/** Sizes at these lengths, padded. Where padding breaks the line, they are good for this very length alone. */
function priceSizes({ sizes: list, alignment }: Program, full: number, window: number): void {
  wanted.grow(list.length);
  let straight = full % CELL_PADDING === 0;
  for (let i = 0; i < list.length; i++) {
    const size = list[i];
    if (size === undefined) continue;
    const value = Math.ceil((size.fixed + size.full * full + size.window * window) / alignment) * alignment;
    const slope = full === window ? size.full + size.window : size.full;
    if ((slope * CELL_PADDING) % alignment !== 0) straight = false;
    wanted.value[i] = value;
    wanted.slope[i] = slope;
    wanted.base[i] = value - slope * full;
  }
  low = straight ? 0 : full;
  high = straight ? ENDLESS : full;
}

/**
 * Taking: the smallest free block that is large enough, the last, endless one only when no other is; of equals the later.
 * Giving back: joined with the free neighbours. The peak is the highest end of a block.
 */
function run(program: Program, full: number, window: number, watch: ((event: number) => void) | null = null): Piece {
  const { events, sizeOf } = program;
  priceSizes(program, full, window);
  places.grow(sizeOf.length);
  let blocks = 1;
  offsets.value[0] = offsets.base[0] = offsets.slope[0] = 0;
  sizes.value[0] = sizes.base[0] = ENDLESS;
  sizes.slope[0] = 0;
  let peak = 0;
  let base = 0;
  let slope = 0;
  for (let e = 0; e < events.length; e++) {
    const event = events[e] as number;
    if (event < 0) {
      blocks = giveBack(~event, sizeOf[~event] as number, blocks);
      continue;
    }
    const size = sizeOf[event] as number;
    const best = bestFit(size, blocks);
    places.copyFrom(event, offsets, best);
    const end = (offsets.value[best] as number) + (wanted.value[size] as number);
    const endBase = (offsets.base[best] as number) + (wanted.base[size] as number);
    const endSlope = (offsets.slope[best] as number) + (wanted.slope[size] as number);
    if (end > peak) {
      keepAbove(endBase - base, endSlope - slope, 0);
      peak = end;
      base = endBase;
      slope = endSlope;
      if (watch !== null) watch(e);
    } else keepAbove(base - endBase, slope - endSlope, 0);
    if (sizes.value[best] === wanted.value[size]) {
      keepEqual((sizes.slope[best] as number) - (wanted.slope[size] as number), full);
      blocks = closeGap(best, blocks);
    } else {
      offsets.add(best, wanted, size, 1);
      sizes.add(best, wanted, size, -1);
      if (best < blocks - 1) keepAbove(sizes.base[best] as number, sizes.slope[best] as number, 1);
    }
  }
  return { low, high, base, slope };
}

/** The block for a size, and the lengths for which it stays that one; that it holds the size is kept by what is left of it. */
function bestFit(size: number, blocks: number): number {
  const need = wanted.value[size] as number;
  let best = blocks - 1;
  let bestSize = Number.POSITIVE_INFINITY;
  for (let i = 0; i < blocks - 1; i++) {
    const free = sizes.value[i] as number;
    if (free >= need && free <= bestSize) {
      best = i;
      bestSize = free;
    }
  }
  const base = wanted.base[size] as number;
  const slope = wanted.slope[size] as number;
  const bestBase = sizes.base[best] as number;
  const bestSlope = sizes.slope[best] as number;
  for (let i = 0; i < blocks - 1; i++) {
    if (i === best) continue;
    const freeSlope = sizes.slope[i] as number;
    const freeBase = sizes.base[i] as number;
    if ((sizes.value[i] as number) < need) keepAbove(base - freeBase, slope - freeSlope, 1);
    else keepAbove(freeBase - bestBase, freeSlope - bestSlope, i < best ? 0 : 1);
  }
  return best;
}

/** Cuts the lengths down to those at which base + slope x cells, true of this length, is at least `least`. */
function keepAbove(base: number, slope: number, least: number): void {
  if (slope === 0) return;
  const bound = (least - base) / slope;
  if (slope > 0) {
    if (bound > low) low = Math.ceil(bound);
  } else if (bound < high) high = Math.floor(bound);
}

/** Two that are equal at this length stay so where they are one line; else nothing is known of other lengths. */
function keepEqual(slope: number, here: number): void {
  if (slope === 0) return;
  low = here;
  high = here;
}

function giveBack(slot: number, size: number, blocks: number): number {
  const offset = places.value[slot] as number;
  const end = offset + (wanted.value[size] as number);
  let at = 0;
  while (at < blocks && (offsets.value[at] as number) < offset) at++;
  const before = at > 0 && (offsets.value[at - 1] as number) + (sizes.value[at - 1] as number) === offset;
  const after = at < blocks && end === offsets.value[at];
  if (before && after) {
    sizes.add(at - 1, wanted, size, 1);
    sizes.add(at - 1, sizes, at, 1);
    return closeGap(at, blocks);
  }
  if (before) {
    sizes.add(at - 1, wanted, size, 1);
    return blocks;
  }
  if (after) {
    offsets.copyFrom(at, places, slot);
    sizes.add(at, wanted, size, 1);
    return blocks;
  }
  for (let i = blocks; i > at; i--) {
    offsets.copy(i, i - 1);
    sizes.copy(i, i - 1);
  }
  offsets.copyFrom(at, places, slot);
  sizes.copyFrom(at, wanted, size);
  return blocks + 1;
}

function closeGap(at: number, blocks: number): number {
  for (let i = at; i < blocks - 1; i++) {
    offsets.copy(i, i + 1);
    sizes.copy(i, i + 1);
  }
  return blocks - 1;
}
