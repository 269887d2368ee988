/**
 * How large a buffer a program needs. Its sizes are linear in the caches' length, so offsets are, too, for as long as the
 * allocator decides alike: one run gives the peak as base + slope x cells, and the lengths for which it is that. A slider
 * of the context meets a few dozen such pieces.
 * @source ggml/src/ggml-alloc.c ggml_dyn_tallocr_alloc, ggml_dyn_tallocr_free_bytes at llama.cpp v0.5.0
 */
import { CELL_PADDING } from "../caches.ts";
import { Lines, sameLine } from "./lines.ts";
import type { Piece } from "./pieces.ts";
import type { Program, ProgramSeam } from "./program.ts";
import { type Described, describe } from "./tensor.ts";

/** MAX_FREE_BLOCKS: llama.cpp stops where there would be more. */
const MAX_BLOCKS = 256;
const ENDLESS = 2 ** 52;

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
  let piece = run(program, full, window);
  for (let more = program; piece === null; ) {
    more = fuller(more);
    piece = run(more, full, window);
  }
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
  const piece = run(program, full, window, (event) => {
    at = event;
  });
  if (piece === null) return aliveAtPeak(fuller(program), full, window);
  const { base, slope } = piece;
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

/** The layers left out at a seam do not repeat what was kept, at these lengths at least: with more of them. */
function fuller({ fuller: more }: Program): Program {
  if (more === null) throw new RangeError("A program with every layer has no seam");
  return more();
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
function run(
  program: Program,
  full: number,
  window: number,
  watch: ((event: number) => void) | null = null,
): Piece | null {
  const { events, sizeOf, seams } = program;
  priceSizes(program, full, window);
  places.grow(sizeOf.length);
  let blocks = 1;
  offsets.value[0] = offsets.base[0] = offsets.slope[0] = 0;
  sizes.value[0] = sizes.base[0] = ENDLESS;
  sizes.slope[0] = 0;
  let peak = 0;
  let base = 0;
  let slope = 0;
  let seam = 0;
  let next = seams[0]?.first ?? -1;
  let looking = false;
  for (let e = 0; e <= events.length; e++) {
    while (e === next) {
      const { second, slots } = seams[seam] as ProgramSeam;
      if (looking) {
        if (!isAsBefore(blocks, slots)) return null;
        next = seams[++seam]?.first ?? -1;
      } else {
        remember(blocks);
        next = second;
      }
      looking = !looking;
    }
    if (e === events.length) break;
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

/** The free blocks at a seam's first place. */
const beforeOffsets = new Lines(MAX_BLOCKS);
const beforeSizes = new Lines(MAX_BLOCKS);
let beforeBlocks = 0;

function remember(blocks: number): void {
  beforeBlocks = blocks;
  for (let i = 0; i < blocks; i++) {
    beforeOffsets.copyFrom(i, offsets, i);
    beforeSizes.copyFrom(i, sizes, i);
  }
}

/** Whether the same is free, and what is alive lies where its counterpart lay: at this length, and as lines. */
function isAsBefore(blocks: number, slots: Int32Array): boolean {
  if (blocks !== beforeBlocks) return false;
  for (let i = 0; i < blocks; i++) {
    if (!sameLine(offsets, i, beforeOffsets, i) || !sameLine(sizes, i, beforeSizes, i)) return false;
  }
  for (let i = 0; i < slots.length; i += 2) {
    if (!sameLine(places, slots[i] as number, places, slots[i + 1] as number)) return false;
  }
  return true;
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

/**
 * As llama.cpp gives back: joined with the first block in its list that it touches, and with that one's neighbour in the
 * list. A tensor of no bytes leaves an empty block behind, maybe inside a free one; from then on the list may be out of
 * order, and blocks that touch stay apart.
 * @throws {RangeError} when the list is full
 */
function giveBack(slot: number, size: number, blocks: number): number {
  const offset = places.value[slot] as number;
  const end = offset + (wanted.value[size] as number);
  let at = 0;
  for (let i = 0; i < blocks; i++) {
    const start = offsets.value[i] as number;
    if (start + (sizes.value[i] as number) === offset) {
      sizes.add(i, wanted, size, 1);
      if (i + 1 === blocks || start + (sizes.value[i] as number) !== offsets.value[i + 1]) return blocks;
      sizes.add(i, sizes, i + 1, 1);
      return closeGap(i + 1, blocks);
    }
    if (end === start) {
      offsets.copyFrom(i, places, slot);
      sizes.add(i, wanted, size, 1);
      if (i === 0 || (offsets.value[i - 1] as number) + (sizes.value[i - 1] as number) !== offset) return blocks;
      sizes.add(i - 1, sizes, i, 1);
      return closeGap(i, blocks);
    }
    if (at === i && start < offset) at++;
  }
  if (blocks === MAX_BLOCKS)
    throw new RangeError(`A step leaves more than ${MAX_BLOCKS} gaps in a buffer: llama.cpp stops there`);
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
