/**
 * The allocator's work on a schedule, boiled down to what depends on sizes: which blocks are taken and given back in
 * which order. Whether a node takes over a source's memory, and when a tensor is given back, depends on the graph alone.
 * @source ggml/src/ggml-alloc.c ggml_gallocr_alloc_graph_impl, ggml_dyn_tallocr_alloc, ggml_dyn_tallocr_free_bytes at llama.cpp v0.5.0
 */
import type { Size } from "./graph.ts";
import { IN_PLACE, OUTPUT, OWNED } from "./part.ts";
import type { Schedule } from "./schedule.ts";
import { type Described, describe, type Made } from "./tensor.ts";

/** One device's sequence: i >= 0 takes slot i, ~i gives it back. */
export interface Program {
  readonly events: Int32Array;
  /** By slot: index into the sizes. */
  readonly sizeOf: Int32Array;
  readonly sizes: readonly Size[];
  /** By slot: the tensor that took it first; ~tensor: for another step of the pipeline. */
  readonly owners: Int32Array;
  readonly schedule: Made;
  readonly alignment: number;
  /** Peaks that were asked for before, by lengths of the caches. */
  readonly known: Map<number, number>;
}

/**
 * One program per device, the host's last.
 * @param alignments in bytes, by device
 */
export function compile(schedule: Schedule, alignments: readonly number[]): readonly Program[] {
  const { device, bits, size, leaves, splits, sources, sourcesEnd, copies, assembly } = schedule;
  const { order } = assembly;
  const count = device.length;
  const children = new Int32Array(count);
  const allocated = new Uint8Array(count);
  /** Memory may have been another tensor's: its slot, and the device that the slot is on. */
  const slots = new Int32Array(count);
  const slotDevice = new Int16Array(count);
  const builders = alignments.map(() => new ProgramBuilder(schedule));
  const takeSlot = (tensor: number, owner: number): void => {
    const on = device[tensor] as number;
    allocated[tensor] = 1;
    slotDevice[tensor] = on;
    slots[tensor] = builders[on]?.take(size[tensor] as number, owner) ?? 0;
  };
  const release = (tensor: number): void => {
    const left = (children[tensor] as number) - 1;
    children[tensor] = left;
    if (left > 0 || allocated[tensor] === 0 || ((bits[tensor] as number) & OUTPUT) !== 0) return;
    allocated[tensor] = 0;
    builders[slotDevice[tensor] as number]?.give(slots[tensor] as number);
  };
  /** The first source that the node can take over from; -1: none. */
  const takenOver = (from: number, to: number): number => {
    for (let j = from; j < to; j++) {
      const source = sources[j] as number;
      const parent = source >> 1;
      const fits = (source & 1) === 1 && allocated[parent] === 1 && children[parent] === 1;
      if (fits && ((bits[parent] as number) & OUTPUT) === 0) return parent;
    }
    return -1;
  };

  for (const leaf of leaves) {
    if (leaf < 0) builders[device[~leaf] as number]?.take(size[~leaf] as number, leaf);
    else takeSlot(leaf, leaf);
  }
  for (let j = 0; j < sources.length; j++) {
    const parent = (sources[j] as number) >> 1;
    children[parent] = (children[parent] as number) + 1;
  }
  for (const { from } of copies) children[from] = (children[from] as number) + 1;

  let copy = 0;
  let node = 0;
  let from = 0;
  for (let split = 0; split < splits.length; split += 2) {
    for (const end = splits[split] as number; copy < end; copy++) {
      // The source's memory is needed until here, then the copy's begins.
      release(copies[copy]?.from ?? 0);
      const tensor = assembly.count + copy;
      if (allocated[tensor] === 0) takeSlot(tensor, tensor);
    }
    for (const end = splits[split + 1] as number; node < end; node++) {
      const tensor = order[node] as number;
      const to = sourcesEnd[node] as number;
      const is = bits[tensor] as number;
      if ((is & OWNED) !== 0) {
        const parent = (is & IN_PLACE) === 0 ? -1 : takenOver(from, to);
        if (parent === -1) takeSlot(tensor, tensor);
        else {
          allocated[tensor] = 1;
          slots[tensor] = slots[parent] as number;
          slotDevice[tensor] = slotDevice[parent] as number;
          allocated[parent] = 0;
        }
      }
      for (let j = from; j < to; j++) release((sources[j] as number) >> 1);
      from = to;
    }
  }
  return builders.map((builder, i) => builder.build(alignments[i] ?? 1));
}

class ProgramBuilder {
  readonly #schedule: Schedule;
  readonly #events: number[] = [];
  readonly #sizeOf: number[] = [];
  readonly #owners: number[] = [];
  readonly #sizes: Size[] = [];
  /** By number in the step's table: 1 + number in the program's. */
  readonly #known: Int32Array;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
    this.#known = new Int32Array(schedule.assembly.shared.sizes.sizes.length);
  }

  take(size: number, owner: number): number {
    let known = this.#known[size] as number;
    if (known === 0) {
      known = this.#sizes.push(this.#schedule.assembly.shared.sizes.sizes[size] as Size);
      this.#known[size] = known;
    }
    const slot = this.#sizeOf.length;
    this.#sizeOf.push(known - 1);
    this.#owners.push(owner);
    this.#events.push(slot);
    return slot;
  }

  give(slot: number): void {
    this.#events.push(~slot);
  }

  build(alignment: number): Program {
    const { assembly, copies, size } = this.#schedule;
    return {
      events: new Int32Array(this.#events),
      sizeOf: new Int32Array(this.#sizeOf),
      sizes: this.#sizes,
      owners: new Int32Array(this.#owners),
      schedule: { assembly, copies, size },
      alignment,
      known: new Map(),
    };
  }
}

const MAX_BLOCKS = 256;
const blockOffset = new Float64Array(MAX_BLOCKS);
const blockSize = new Float64Array(MAX_BLOCKS);
let slotOffset = new Float64Array(4096);
let sizeBytes = new Float64Array(256);
const ENDLESS = 2 ** 52;

/** A slider over a million tokens in steps of 256 asks for this many. */
const KEPT_PEAKS = 4096;

/** Bytes of the device's buffer with `full` cells in each stream of the caches, `window` in those of a window. */
export function peakBytes(program: Program, full: number, window: number): number {
  const key = full * 2 ** 24 + window;
  const before = program.known.get(key);
  if (before !== undefined) return before;
  const bytes = run(program, full, window);
  if (program.known.size >= KEPT_PEAKS) program.known.clear();
  program.known.set(key, bytes);
  return bytes;
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
  const peak = run(program, full, window, (event) => {
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
    const bytes = sizeBytes[program.sizeOf[slot] ?? 0] ?? 0;
    if (bytes > 0) alive.push({ owner, bytes });
  }
  const last = program.events[at];
  return { peak, alive, last: last === undefined ? null : ownerOf(program, last) };
}

function ownerOf({ owners, schedule }: Program, slot: number): Described {
  return describe(schedule, owners[slot] ?? 0);
}

/**
 * Bytes of the device's buffer at these lengths: the highest end of a block.
 * Taking: the smallest free block that is large enough, the last, endless one only when no other is; of equals the later.
 * Giving back: joined with the free neighbours.
 */
function run(program: Program, full: number, window: number, watch: ((event: number) => void) | null = null): number {
  const { events, sizeOf, sizes, alignment } = program;
  if (sizeOf.length > slotOffset.length) slotOffset = new Float64Array(sizeOf.length * 2);
  if (sizes.length > sizeBytes.length) sizeBytes = new Float64Array(sizes.length * 2);
  for (let i = 0; i < sizes.length; i++) {
    const s = sizes[i];
    if (s === undefined) continue;
    sizeBytes[i] = Math.ceil((s.fixed + s.full * full + s.window * window) / alignment) * alignment;
  }
  let blocks = 1;
  blockOffset[0] = 0;
  blockSize[0] = ENDLESS;
  let peak = 0;
  for (let e = 0; e < events.length; e++) {
    const event = events[e] as number;
    if (event >= 0) {
      const size = sizeBytes[sizeOf[event] as number] as number;
      let best = blocks - 1;
      let bestSize = Number.POSITIVE_INFINITY;
      for (let i = 0; i < blocks - 1; i++) {
        const free = blockSize[i] as number;
        if (free >= size && free <= bestSize) {
          best = i;
          bestSize = free;
        }
      }
      const offset = blockOffset[best] as number;
      slotOffset[event] = offset;
      const left = (blockSize[best] as number) - size;
      if (left === 0) {
        blocks = closeGap(best, blocks);
      } else {
        blockOffset[best] = offset + size;
        blockSize[best] = left;
      }
      if (offset + size > peak) {
        peak = offset + size;
        if (watch !== null) watch(e);
      }
    } else {
      blocks = giveBack(slotOffset[~event] as number, sizeBytes[sizeOf[~event] as number] as number, blocks);
    }
  }
  return peak;
}

function giveBack(offset: number, size: number, blocks: number): number {
  let at = 0;
  while (at < blocks && (blockOffset[at] as number) < offset) at++;
  const before = at > 0 && (blockOffset[at - 1] as number) + (blockSize[at - 1] as number) === offset;
  const after = at < blocks && offset + size === blockOffset[at];
  if (before && after) {
    blockSize[at - 1] = (blockSize[at - 1] as number) + size + (blockSize[at] as number);
    return closeGap(at, blocks);
  }
  if (before) {
    blockSize[at - 1] = (blockSize[at - 1] as number) + size;
  } else if (after) {
    blockOffset[at] = offset;
    blockSize[at] = (blockSize[at] as number) + size;
  } else {
    for (let i = blocks; i > at; i--) {
      blockOffset[i] = blockOffset[i - 1] as number;
      blockSize[i] = blockSize[i - 1] as number;
    }
    blockOffset[at] = offset;
    blockSize[at] = size;
    return blocks + 1;
  }
  return blocks;
}

function closeGap(at: number, blocks: number): number {
  for (let i = at; i < blocks - 1; i++) {
    blockOffset[i] = blockOffset[i + 1] as number;
    blockSize[i] = blockSize[i + 1] as number;
  }
  return blocks - 1;
}
