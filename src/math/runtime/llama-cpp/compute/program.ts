/**
 * The allocator's work on a schedule, boiled down to what depends on sizes: which blocks are taken and given back in
 * which order. Whether a node takes over a source's memory, and when a tensor is given back, depends on the graph alone.
 * @source ggml/src/ggml-alloc.c ggml_gallocr_alloc_graph_impl at llama.cpp v0.5.0
 */
import type { Size } from "./graph.ts";
import { IN_PLACE, OUTPUT, OWNED } from "./part.ts";
import type { Seam } from "./periods.ts";
import { Pieces } from "./pieces.ts";
import type { Schedule } from "./schedule.ts";
import { SeamWatch, watchSeams } from "./seams.ts";
import type { Made } from "./tensor.ts";

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
  readonly seams: readonly ProgramSeam[];
  /** The program with more layers, for when a seam does not hold; null: this one has all. */
  readonly fuller: (() => Program) | null;
  /** Pieces of the peak that were met before (peak.ts). */
  readonly pieces: Pieces;
}

/**
 * Where layers were left out that would do what the period before them did, if the allocator is in the same state at
 * `second` as at `first`: the same free blocks, and what is alive in the same places.
 */
export interface ProgramSeam {
  /** Numbers of events: the state is meant before them. */
  readonly first: number;
  readonly second: number;
  /** By pair: the slot that is alive at the first, and what stands for it at the second. */
  readonly slots: Int32Array;
}

/**
 * One program per device, the host's last.
 * @param alignments in bytes, by device
 */
export function compile(schedule: Schedule, alignments: readonly number[]): readonly Program[] {
  const programs = build(schedule, alignments, new SeamWatch(schedule, []), null);
  if (programs === null) throw new RangeError("A schedule of every layer has no seams");
  return programs;
}

/**
 * The same of a schedule in which layers were left out. null: more than the allocator's state ties the periods together.
 * @param fuller the programs with more layers
 */
export function compileKept(
  schedule: Schedule,
  alignments: readonly number[],
  seams: readonly Seam[],
  fuller: () => readonly Program[],
): readonly Program[] | null {
  const watch = watchSeams(schedule, seams);
  return watch === null ? null : build(schedule, alignments, watch, fuller);
}

function build(
  schedule: Schedule,
  alignments: readonly number[],
  watch: SeamWatch,
  fuller: (() => readonly Program[]) | null,
): readonly Program[] | null {
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
      if (watch.isEarly(copy, node)) return null;
      // The source's memory is needed until here, then the copy's begins.
      release(copies[copy]?.from ?? 0);
      const tensor = assembly.count + copy;
      if (allocated[tensor] === 0) takeSlot(tensor, tensor);
    }
    for (const end = splits[split + 1] as number; node < end; node++) {
      if (node === watch.next) watch.look(allocated, slots, slotDevice, builders);
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
  const found = watch.seams(builders.length);
  if (found === null) return null;
  return builders.map((builder, i) =>
    builder.build(alignments[i] ?? 1, found[i] ?? [], fuller === null ? null : () => at(fuller(), i)),
  );
}

function at(programs: readonly Program[], device: number): Program {
  const program = programs[device];
  if (program === undefined) throw new RangeError(`There is no device ${device}`);
  return program;
}

export class ProgramBuilder {
  readonly #schedule: Schedule;
  readonly #events: Int32Array;
  readonly #sizeOf: Int32Array;
  readonly #owners: Int32Array;
  #eventCount = 0;
  #slotCount = 0;
  readonly #sizes: Size[] = [];
  /** By number in the step's table: 1 + number in the program's. */
  readonly #known: Int32Array;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
    // Each tensor is taken once, on one device, and given back once.
    const most = schedule.device.length + schedule.leaves.length;
    this.#events = new Int32Array(2 * most);
    this.#sizeOf = new Int32Array(most);
    this.#owners = new Int32Array(most);
    this.#known = new Int32Array(schedule.assembly.shared.sizes.sizes.length);
  }

  take(size: number, owner: number): number {
    let known = this.#known[size] as number;
    if (known === 0) {
      known = this.#sizes.push(this.#schedule.assembly.shared.sizes.sizes[size] as Size);
      this.#known[size] = known;
    }
    const slot = this.#slotCount++;
    this.#sizeOf[slot] = known - 1;
    this.#owners[slot] = owner;
    this.#events[this.#eventCount++] = slot;
    return slot;
  }

  give(slot: number): void {
    this.#events[this.#eventCount++] = ~slot;
  }

  get events(): number {
    return this.#eventCount;
  }

  build(alignment: number, seams: readonly ProgramSeam[], fuller: Program["fuller"]): Program {
    const { assembly, copies, size } = this.#schedule;
    return {
      events: this.#events.slice(0, this.#eventCount),
      sizeOf: this.#sizeOf.slice(0, this.#slotCount),
      sizes: this.#sizes,
      owners: this.#owners.slice(0, this.#slotCount),
      schedule: { assembly, copies, size },
      alignment,
      seams,
      fuller,
      pieces: new Pieces(),
    };
  }
}
