/**
 * Where the graph is cut, and what has to be copied over each cut.
 * @source ggml/src/ggml-backend.cpp ggml_backend_sched_split_graph, passes 4 and 5 at llama.cpp v0.5.0
 */
import { type Assembly, numberAt, type Site } from "./assembly.ts";
import { scratchSize } from "./backends.ts";
import { type Copy, copySizeNumber } from "./copy.ts";
import { devicesOf, type Machinery } from "./devices.ts";
import type { Size } from "./graph.ts";
import { FIRST_SHARED, FITS, IS_WEIGHT, OUTPUT, OWNED } from "./part.ts";

/** Copies of a step's inputs that a pipeline keeps. @source ggml/src/ggml-backend.cpp GGML_SCHED_MAX_COPIES */
const PIPELINE_COPIES = 4;

/** What the allocator sees. Tensors are numbered as in the assembly, copies after them, in the order in which they are made. */
export interface Schedule {
  readonly assembly: Assembly;
  readonly copies: readonly Copy[];
  /** By tensor: number of the device; accelerators first, the host last. */
  readonly device: Int16Array;
  /** By tensor: OWNED, IN_PLACE, OUTPUT. */
  readonly bits: Uint8Array;
  /** By tensor: number in the step's table of sizes. */
  readonly size: Int32Array;
  /** Whose memory is taken first, in order; ~tensor: as much once more, for another step of the pipeline. */
  readonly leaves: readonly number[];
  /** By split, two numbers: how many copies, then how many nodes, are done by its end. Its copies come first. */
  readonly splits: readonly number[];
  /** 2 x tensor, + 1 where its memory may be taken over: of all nodes in order. */
  readonly sources: Int32Array;
  /** By node in order: where its sources end. */
  readonly sourcesEnd: Int32Array;
  /** By site, where it begins: the device of the split, doubled, + 1 where it has copies; what the next cut depends on. */
  readonly states: Int32Array;
}

export function schedule(assembly: Assembly, machinery: Machinery): Schedule {
  const device = devicesOf(assembly, machinery);
  const cutting = new Cutting(assembly, device, machinery.pipelined);
  const { runs } = assembly;
  for (let r = 0; r < runs.length; r += 3) {
    cutting.run(runs[r] as number, runs[r + 1] as number, runs[r + 2] as number);
  }
  const { copies, sources, sourcesEnd, states } = cutting;
  const { inputs, leaves } = cutting.leaves();
  const early = new Set(inputs);
  return {
    assembly,
    copies,
    ...tensorsOf(assembly, copies, device, machinery),
    leaves: [...leaves, ...assembly.inputs.filter((leaf) => !early.has(leaf))],
    splits: cutting.end(),
    sources,
    sourcesEnd,
    states,
  };
}

class Cutting {
  readonly copies: Copy[] = [];
  readonly sources: Int32Array;
  readonly sourcesEnd: Int32Array;
  readonly states: Int32Array;
  readonly #assembly: Assembly;
  readonly #device: Int16Array;
  readonly #pipelined: boolean;
  readonly #splits: number[] = [];
  /** By device, then by tensor or view: the copy; 0 = none. */
  readonly #copied: (Int32Array | undefined)[] = [];
  readonly #inputs: number[] = [];
  readonly #seen: Uint8Array;
  #sourcesDone = 0;
  #nodesDone = 0;
  #splitDevice = -1;
  #copiesBefore = 0;

  constructor(assembly: Assembly, device: Int16Array, pipelined: boolean) {
    this.#assembly = assembly;
    this.#device = device;
    this.#pipelined = pipelined;
    this.#seen = new Uint8Array(assembly.shared.nodes.length);
    let sources = 0;
    for (const { part } of assembly.sites) sources += part.source.length;
    this.sources = new Int32Array(sources);
    this.sourcesEnd = new Int32Array(assembly.order.length);
    this.states = new Int32Array(assembly.sites.length);
  }

  /** A run of a part's nodes. */
  run(k: number, from: number, to: number): void {
    const { shared, sites, base, result } = this.#assembly;
    const site = sites[k];
    if (site === undefined) return;
    const { first, source, sourceBits, view } = site.part;
    const start = base[k] as number;
    const input = k > 0 ? (result[k - 1] as number) : 0;
    const device = this.#device;
    if (from === 0) this.states[k] = 2 * this.#splitDevice + (this.copies.length > this.#copiesBefore ? 1 : 0);
    for (let i = from; i < to; i++) {
      const here = device[start + i] as number;
      const begin = first[i] as number;
      const end = first[i + 1] as number;
      // Cut where the device changes, and before a node whose weight would be a second copied weight of its split.
      let cut = here !== this.#splitDevice;
      const hasCopies = this.copies.length > this.#copiesBefore;
      for (let j = begin; hasCopies && !cut && j < end; j++) {
        cut =
          ((sourceBits[j] as number) & IS_WEIGHT) !== 0 &&
          device[numberAt(shared, site, start, input, source[j] as number)] !== here;
      }
      if (cut) this.#cut(here);
      for (let j = begin; j < end; j++) {
        const tensor = numberAt(shared, site, start, input, source[j] as number);
        const looked = view[j] as number;
        if (this.#pipelined && looked === -1) this.#meet(tensor);
        const fits = ((sourceBits[j] as number) & FITS) === 0 ? 0 : 1;
        const there = device[tensor] === here ? tensor : this.#copy(site, k, j, tensor, looked, here);
        // A view's memory is not taken over, a copy's is.
        this.sources[this.#sourcesDone++] = 2 * there + (looked !== -1 && there === tensor ? 0 : fits);
      }
      this.sourcesEnd[this.#nodesDone++] = this.#sourcesDone;
    }
  }

  end(): readonly number[] {
    this.#cut(-1);
    return this.#splits;
  }

  /** A pipeline takes its inputs' and copies' memory before all else, for each of its steps. */
  leaves(): { readonly inputs: readonly number[]; readonly leaves: readonly number[] } {
    const leaves: number[] = [];
    const take = (tensor: number): void => {
      leaves.push(tensor);
      for (let c = 1; c < PIPELINE_COPIES; c++) leaves.push(~tensor);
    };
    if (this.#pipelined) {
      for (const input of this.#inputs) take(input);
      for (let i = 0; i < this.copies.length; i++) take(this.#assembly.count + i);
    }
    return { inputs: this.#inputs, leaves };
  }

  #cut(device: number): void {
    this.#splits.push(this.copies.length, this.#nodesDone);
    this.#splitDevice = device;
    this.#copiesBefore = this.copies.length;
  }

  #meet(tensor: number): void {
    if (tensor >= this.#seen.length || this.#seen[tensor] === 1) return;
    this.#seen[tensor] = 1;
    this.#inputs.push(tensor);
  }

  /** @param j which of the part's sources it is; @param looked its view */
  #copy({ part, layer }: Site, k: number, j: number, from: number, looked: number, device: number): number {
    const { count, viewCount, viewBase } = this.#assembly;
    let table = this.#copied[device];
    if (table === undefined) {
      table = new Int32Array(count + viewCount);
      this.#copied[device] = table;
    }
    const key = looked === -1 ? from : count + (looked >= 0 ? (viewBase[k] as number) + looked : FIRST_SHARED - looked);
    const known = table[key] as number;
    if (known !== 0) return known;
    const copy = count + this.copies.length;
    table[key] = copy;
    this.copies.push({ from, part, source: j, site: k, layer, device });
    return copy;
  }
}

/** What the allocator has to know of each tensor. */
function tensorsOf(
  { shared, sites, base, result, count }: Assembly,
  copies: readonly Copy[],
  nodeDevice: Int16Array,
  { rules, pipelined }: Machinery,
): Pick<Schedule, "device" | "bits" | "size"> {
  const device = new Int16Array(count + copies.length);
  const bits = new Uint8Array(count + copies.length);
  const size = new Int32Array(count + copies.length);
  const { sizes } = shared;
  device.set(nodeDevice);
  shared.nodes.forEach((node, i) => {
    bits[i] = pipelined ? OWNED | OUTPUT : OWNED;
    size[i] = sizes.indexOf(node.size);
  });
  sites.forEach(({ part }, k) => {
    const start = base[k] ?? 0;
    bits.set(part.bits, start);
    size.set(part.size, start);
    for (const i of part.withScratch) {
      const { size: own = NOTHING, scratch = null } = part.nodes[i] ?? {};
      const rule = rules[device[start + i] ?? 0]?.scratch ?? "none";
      if (scratch !== null && rule !== "none") size[start + i] = sizes.indexOf(plus(own, scratchSize(scratch, rule)));
    }
    if (part.keepsInput && k > 0) {
      const input = result[k - 1] ?? 0;
      bits[input] = (bits[input] ?? 0) | OUTPUT;
    }
  });
  bits.fill(pipelined ? OWNED | OUTPUT : OWNED, count);
  for (let i = 0; i < copies.length; i++) {
    const copy = copies[i] as Copy;
    device[count + i] = copy.device;
    size[count + i] = copySizeNumber(copy, rules[copy.device], sizes);
  }
  return { device, bits, size };
}

const NOTHING: Size = { fixed: 0, full: 0, window: 0 };

function plus(a: Size, b: Size): Size {
  return { fixed: a.fixed + b.fixed, full: a.full + b.full, window: a.window + b.window };
}
