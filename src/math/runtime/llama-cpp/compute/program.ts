/**
 * The allocator's work on a schedule, boiled down to what depends on sizes: which blocks are taken and given back in
 * which order. Whether a node takes over a source's memory, and when a tensor is given back, depends on the graph alone.
 * @source ggml/src/ggml-alloc.c ggml_gallocr_alloc_graph_impl, ggml_dyn_tallocr_alloc, ggml_dyn_tallocr_free_bytes at llama.cpp v0.5.0
 */
import type { Size } from "./graph.ts";
import type { Schedule, Tensor } from "./schedule.ts";

/** One device's sequence: i >= 0 takes slot i, ~i gives it back. */
export interface Program {
  readonly events: Int32Array;
  /** By slot: index into the sizes. */
  readonly sizeOf: Int32Array;
  readonly sizes: readonly Size[];
  /** By slot: who took it first. */
  readonly owners: readonly Tensor[];
  readonly alignment: number;
  /** Peaks that were asked for before, by lengths of the caches. */
  readonly known: Map<number, number>;
}

interface State {
  children: number;
  /** Holds memory; the slot and device may have been another tensor's. */
  allocated: boolean;
  slot: number;
  device: number;
}

/**
 * One program per device, the host's last.
 * @param alignments in bytes, by device
 */
export function compile(schedule: Schedule, alignments: readonly number[]): readonly Program[] {
  const states = new Map<Tensor, State>();
  const stateOf = (tensor: Tensor): State => {
    const known = states.get(tensor);
    if (known !== undefined) return known;
    const made = { children: 0, allocated: false, slot: -1, device: tensor.device };
    states.set(tensor, made);
    return made;
  };
  const builders = alignments.map(() => new ProgramBuilder());
  const take = (tensor: Tensor): void => {
    const state = stateOf(tensor);
    if (state.allocated || !tensor.owned) return;
    state.allocated = true;
    for (const { tensor: parent, direct } of tensor.inPlace ? tensor.sources : []) {
      const above = stateOf(parent);
      if (!direct || !above.allocated || parent.output || parent.layout !== tensor.layout || above.children !== 1)
        continue;
      state.slot = above.slot;
      state.device = above.device;
      above.allocated = false;
      return;
    }
    state.slot = builders[tensor.device]?.take(tensor) ?? -1;
  };
  const release = (tensor: Tensor): void => {
    const state = stateOf(tensor);
    state.children--;
    if (state.children > 0 || !state.allocated || tensor.output) return;
    state.allocated = false;
    builders[state.device]?.give(state.slot);
  };

  for (const leaf of schedule.leaves) take(leaf);
  for (const step of schedule.steps) {
    if (step.kind === "copy") stateOf(step.from).children++;
    else for (const { tensor } of step.tensor.sources) stateOf(tensor).children++;
  }
  for (const step of schedule.steps) {
    if (step.kind === "copy") {
      // The source's memory is needed until here, then the copy's begins.
      release(step.from);
      take(step.tensor);
      continue;
    }
    take(step.tensor);
    for (const { tensor } of step.tensor.sources) release(tensor);
  }
  return builders.map((builder, i) => builder.build(alignments[i] ?? 1));
}

class ProgramBuilder {
  readonly #events: number[] = [];
  readonly #slots: number[] = [];
  readonly #owners: Tensor[] = [];
  readonly #sizes: Size[] = [];
  readonly #known = new Map<string, number>();

  take(tensor: Tensor): number {
    const { fixed, full, window } = tensor.size;
    const key = `${fixed},${full},${window}`;
    let index = this.#known.get(key);
    if (index === undefined) {
      index = this.#sizes.length;
      this.#sizes.push(tensor.size);
      this.#known.set(key, index);
    }
    const slot = this.#slots.length;
    this.#slots.push(index);
    this.#owners.push(tensor);
    this.#events.push(slot);
    return slot;
  }

  give(slot: number): void {
    this.#events.push(~slot);
  }

  build(alignment: number): Program {
    return {
      events: Int32Array.from(this.#events),
      sizeOf: Int32Array.from(this.#slots),
      sizes: this.#sizes,
      owners: this.#owners,
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
  readonly owner: Tensor;
  readonly bytes: number;
}

/** What lies in the buffer when it is at its largest, in the order of taking; what is missing to the peak are gaps. */
export function aliveAtPeak(
  program: Program,
  full: number,
  window: number,
): { readonly peak: number; readonly alive: readonly Alive[]; readonly last: Tensor | null } {
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
    const owner = program.owners[slot];
    const bytes = sizeBytes[program.sizeOf[slot] ?? 0] ?? 0;
    if (owner !== undefined && bytes > 0) alive.push({ owner, bytes });
  }
  return { peak, alive, last: program.owners[program.events[at] ?? -1] ?? null };
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
