/**
 * Where the graph is cut, and what has to be copied over each cut.
 * @source ggml/src/ggml-backend.cpp ggml_backend_sched_split_graph, passes 4 and 5 at llama.cpp v0.5.0
 */
import { type Assembly, numberAt } from "./assembly.ts";
import { type BufferRule, scratchSize } from "./backends.ts";
import { type Copy, copySize } from "./copy.ts";
import { devicesOf, type Machinery } from "./devices.ts";
import type { Size } from "./graph.ts";
import { FITS, IS_WEIGHT, OUTPUT, OWNED } from "./part.ts";

/** Copies of a step's inputs that a pipeline keeps. @source ggml/src/ggml-backend.cpp GGML_SCHED_MAX_COPIES */
const PIPELINE_COPIES = 4;

/** What the allocator sees. Tensors are numbered as in the assembly, copies after them. */
export interface Schedule {
  readonly assembly: Assembly;
  readonly copies: readonly Copy[];
  /** By tensor: number of the device; accelerators first, the host last. */
  readonly device: Int16Array;
  /** By tensor: OWNED, IN_PLACE, OUTPUT. */
  readonly bits: Uint8Array;
  readonly sizes: readonly Size[];
  /** Whose memory is taken first, in order; ~tensor: as much once more, for another step of the pipeline. */
  readonly leaves: readonly number[];
  /** Then, in order: a node; or ~tensor: a copy at the start of a split, whose source is needed until here. */
  readonly steps: readonly number[];
  /** 2 x tensor, + 1 where its memory may be taken over: of all nodes in the order of the steps. */
  readonly sources: Int32Array;
  /** By node in that order: where its sources end. */
  readonly sourcesEnd: Int32Array;
}

export function schedule(assembly: Assembly, machinery: Machinery): Schedule {
  const { shared, sites, base, viewBase, result, order, runs, inputs, count } = assembly;
  const { pipelined } = machinery;
  const device = devicesOf(assembly, machinery);
  let sourceCount = 0;
  for (const { part } of sites) sourceCount += part.source.length;
  const sources = new Int32Array(sourceCount);
  const sourcesEnd = new Int32Array(order.length);
  let sourceAt = 0;
  let nodeAt = 0;

  const copies: Copy[] = [];
  /** By device, then by tensor or view: 1 + its copy. */
  const copied: (Int32Array | undefined)[] = [];
  const seen = new Uint8Array(shared.nodes.length);
  const inputLeaves: number[] = [];
  const copyLeaves: number[] = [];
  const steps: number[] = [];
  // A split's copies come first, so its nodes wait.
  let waiting: number[] = [];
  let splitDevice = -1;
  let copiedInSplit = false;
  const endSplit = (): void => {
    for (const node of waiting) steps.push(node);
    waiting = [];
    copiedInSplit = false;
  };
  for (let r = 0; r < runs.length; r += 3) {
    const k = runs[r] as number;
    const site = sites[k];
    if (site === undefined) continue;
    const { first, source, sourceBits, view } = site.part;
    const start = base[k] as number;
    const input = k > 0 ? (result[k - 1] as number) : 0;
    const end = runs[r + 2] as number;
    for (let i = runs[r + 1] as number; i < end; i++) {
      const here = device[start + i] as number;
      const from = first[i] as number;
      const to = first[i + 1] as number;
      // Cut where the device changes, and before a node whose weight would be a second copied weight of its split.
      let cut = here !== splitDevice;
      for (let j = from; copiedInSplit && !cut && j < to; j++) {
        cut =
          ((sourceBits[j] as number) & IS_WEIGHT) !== 0 &&
          device[numberAt(shared, site, start, input, source[j] as number)] !== here;
      }
      if (cut) {
        endSplit();
        splitDevice = here;
      }
      for (let j = from; j < to; j++) {
        const tensor = numberAt(shared, site, start, input, source[j] as number);
        const looked = view[j] as number;
        const fits = ((sourceBits[j] as number) & FITS) === 0 ? 0 : 1;
        if (pipelined && looked === -1 && seen[tensor] === 0) {
          seen[tensor] = 1;
          takeForPipeline(inputLeaves, tensor);
        }
        if (device[tensor] === here) {
          sources[sourceAt++] = 2 * tensor + (looked === -1 ? fits : 0);
          continue;
        }
        let table = copied[here];
        if (table === undefined) {
          table = new Int32Array(count + assembly.viewCount);
          copied[here] = table;
        }
        const key = looked === -1 ? tensor : count + (looked >= 0 ? (viewBase[k] as number) + looked : -2 - looked);
        if (table[key] === 0) {
          const copy = count + copies.length;
          const whole = site.part.sources[j];
          if (whole === undefined) continue;
          copies.push({ from: tensor, source: whole, layer: site.layer, device: here });
          table[key] = copy + 1;
          steps.push(~copy);
          copiedInSplit = true;
          if (pipelined) takeForPipeline(copyLeaves, copy);
        }
        sources[sourceAt++] = 2 * ((table[key] as number) - 1) + fits;
      }
      waiting.push(start + i);
      sourcesEnd[nodeAt++] = sourceAt;
    }
  }
  endSplit();
  const early = new Set(inputLeaves);
  return {
    assembly,
    copies,
    ...tensorsOf(assembly, copies, device, machinery),
    leaves: [...inputLeaves, ...copyLeaves, ...inputs.filter((leaf) => !early.has(leaf))],
    steps,
    sources,
    sourcesEnd,
  };
}

function takeForPipeline(leaves: number[], tensor: number): void {
  leaves.push(tensor);
  for (let c = 1; c < PIPELINE_COPIES; c++) leaves.push(~tensor);
}

/** What the allocator has to know of each tensor. */
function tensorsOf(
  { shared, sites, base, result, count }: Assembly,
  copies: readonly Copy[],
  nodeDevice: Int16Array,
  { rules, pipelined }: Machinery,
): Pick<Schedule, "device" | "bits" | "sizes"> {
  const device = new Int16Array(count + copies.length);
  const bits = new Uint8Array(count + copies.length);
  const sizes: Size[] = [];
  device.set(nodeDevice);
  for (const node of shared.nodes) {
    if (node.input) bits[sizes.length] = pipelined ? OWNED | OUTPUT : OWNED;
    sizes.push(node.size);
  }
  for (const _ of rules) sizes.push(NOTHING);
  sites.forEach(({ part }, k) => {
    bits.set(part.bits, base[k]);
    for (const { size, scratch } of part.nodes) {
      sizes.push(
        scratch === null ? size : plus(size, scratchSize(scratch, scratchOf(rules[device[sizes.length] ?? 0]))),
      );
    }
    for (const leaf of part.leaves) sizes.push(leaf.size);
    if (part.keepsInput && k > 0) {
      const input = result[k - 1] ?? 0;
      bits[input] = (bits[input] ?? 0) | OUTPUT;
    }
  });
  for (const copy of copies) {
    bits[sizes.length] = pipelined ? OWNED | OUTPUT : OWNED;
    device[sizes.length] = copy.device;
    sizes.push(copySize(copy, rules[copy.device]));
  }
  return { device, bits, sizes };
}

const NOTHING: Size = { fixed: 0, full: 0, window: 0 };

function scratchOf(rule: BufferRule | undefined): BufferRule["scratch"] {
  return rule?.scratch ?? "none";
}

function plus(a: Size, b: Size): Size {
  if (b.fixed === 0 && b.full === 0 && b.window === 0) return a;
  return { fixed: a.fixed + b.fixed, full: a.full + b.full, window: a.window + b.window };
}
