/**
 * Which device each node of the graph runs on, where the graph is cut, and what has to be copied over each cut.
 * @source ggml/src/ggml-backend.cpp ggml_backend_sched_split_graph; src/llama-context.cpp graph_get_cb at llama.cpp v0.5.0
 */

import { HOST } from "../types.ts";
import { type BufferRule, rowPadding, scratchSize } from "./backends.ts";
import {
  batchRows,
  type Extent,
  type GraphBuilder,
  type GraphNode,
  type GraphView,
  isView,
  type Phase,
  rootOf,
  type Size,
  sizeOf,
} from "./graph.ts";

/** llama.cpp offers an operation to an accelerator, its weight copied over for the step, from this many rows on. */
const OFFLOAD_ROWS = 32;

/** Copies of a step's inputs that a pipeline keeps. @source ggml/src/ggml-backend.cpp GGML_SCHED_MAX_COPIES */
const PIPELINE_COPIES = 4;

export interface Machinery {
  /** Of each accelerator, then the host. */
  readonly rules: readonly BufferRule[];
  readonly pipelined: boolean;
  /** Device of each layer, for nodes that are tied to one; null = ties are not in force. */
  readonly ties: Int16Array | null;
}

/** A tensor as the allocator sees it. */
export interface Tensor {
  readonly name: string;
  readonly phase: Phase;
  /** Element bytes and dimensions, where the size is their product and nothing more. */
  readonly shape: readonly Extent[] | null;
  readonly size: Size;
  readonly layout: string;
  /** Device number: accelerators first, the host last. */
  device: number;
  /** False: lies in memory from before. */
  readonly owned: boolean;
  readonly inPlace: boolean;
  readonly output: boolean;
  /** Sources in order; `direct` ones are the tensor itself, not a view of it. */
  sources: { readonly tensor: Tensor; readonly direct: boolean }[];
}

/** Order in which memory is taken: first all of `leaves`, then each step: a node, or a copy that needs its source. */
export interface Schedule {
  readonly leaves: readonly Tensor[];
  readonly steps: readonly ScheduleStep[];
}

export type ScheduleStep =
  | { readonly kind: "node"; readonly tensor: Tensor }
  /** A copy at the start of a split: keeps its source until here. */
  | { readonly kind: "copy"; readonly from: Tensor; readonly tensor: Tensor };

const UNSET = -2;

export function schedule(graph: GraphBuilder, machinery: Machinery): Schedule {
  const { rules } = machinery;
  const host = rules.length - 1;
  const { nodes } = graph;
  const device = new Map<GraphNode, number>();
  const number_ = (home: number): number => (home === HOST ? host : home);
  const of = (node: GraphNode): number => device.get(node) ?? UNSET;

  for (const leaf of graph.leaves) device.set(leaf, leaf.home === null ? host : number_(leaf.home));
  for (const node of nodes) device.set(node, firstChoice(node, machinery, host, number_));
  spread(nodes, device, host);

  // Cut where the device changes, and before a node whose weight would be a second copied weight of its split.
  const tensors = new Map<GraphNode, Tensor>();
  const tensorOf = (node: GraphNode): Tensor => {
    const known = tensors.get(node);
    if (known !== undefined) return known;
    const size = withScratch(node, rules[of(node)]);
    const made: Tensor = {
      name: node.name,
      phase: node.phase,
      shape: sameSize(size, sizeOf(node.elementBytes, node.extents)) ? [node.elementBytes, ...node.extents] : null,
      size,
      layout: node.layout,
      device: of(node),
      owned: node.home === null && node.operation !== "store",
      inPlace: node.operation === "in-place" || node.operation === "rope",
      output: node.output || (machinery.pipelined && node.input),
      sources: [],
    };
    tensors.set(node, made);
    return made;
  };

  const copies = machinery.pipelined ? PIPELINE_COPIES : 1;
  const copied: Map<GraphNode | GraphView, Tensor>[] = Array.from({ length: host + 1 }, () => new Map());
  const steps: ScheduleStep[] = [];
  const inputLeaves: Tensor[] = [];
  const copyLeaves: Tensor[] = [];
  const seenInputs = new Set<GraphNode>();
  let splitDevice = UNSET;
  let pending: ScheduleStep[] = [];
  let splitNodes: ScheduleStep[] = [];
  const endSplit = (): void => {
    for (const step of pending) steps.push(step);
    for (const step of splitNodes) steps.push(step);
    pending = [];
    splitNodes = [];
  };
  for (const node of nodes) {
    const here = of(node);
    const cut =
      here !== splitDevice ||
      (pending.length > 0 && node.sources.some((s) => !isView(s) && s.weight && of(s) !== here));
    if (cut) {
      endSplit();
      splitDevice = here;
    }
    const tensor = tensorOf(node);
    for (const source of node.sources) {
      const root = rootOf(source);
      const there = of(root);
      const from = tensorOf(root);
      if (machinery.pipelined && root.input && !isView(source) && !seenInputs.has(root)) {
        seenInputs.add(root);
        for (let c = 0; c < copies; c++) inputLeaves.push(c === 0 ? from : { ...from, name: `${from.name} copy` });
      }
      if (there === here) {
        tensor.sources.push({ tensor: from, direct: !isView(source) });
        continue;
      }
      const table = copied[here];
      let copy = table?.get(source);
      if (copy === undefined) {
        copy = copyOf(source, here, rules[here], machinery.pipelined);
        table?.set(source, copy);
        pending.push({ kind: "copy", from, tensor: copy });
        if (machinery.pipelined) {
          copyLeaves.push(copy);
          for (let c = 1; c < copies; c++) copyLeaves.push({ ...copy });
        }
      }
      tensor.sources.push({ tensor: copy, direct: true });
    }
    splitNodes.push({ kind: "node", tensor });
  }
  endSplit();
  const leaves = graph.leaves.filter((leaf) => leaf.home === null).map(tensorOf);
  return { leaves: [...inputLeaves, ...copyLeaves, ...leaves.filter((l) => !inputLeaves.includes(l))], steps };
}

function withScratch(node: GraphNode, rule: BufferRule | undefined): Size {
  return node.scratch === null || rule === undefined
    ? node.size
    : plus(node.size, scratchSize(node.scratch, rule.scratch));
}

function sameSize(a: Size, b: Size): boolean {
  return a.fixed === b.fixed && a.full === b.full && a.window === b.window;
}

function plus(a: Size, b: Size): Size {
  return { fixed: a.fixed + b.fixed, full: a.full + b.full, window: a.window + b.window };
}

function copyOf(source: GraphNode | GraphView, device: number, rule: BufferRule | undefined, output: boolean): Tensor {
  const root = rootOf(source);
  const { row, size } = source;
  const padding = row === null || rule === undefined ? 0 : rowPadding(row.type, row.elements, rule);
  return {
    name: `${root.name}, copied`,
    phase: root.phase,
    shape: isView(source) || root.weight ? null : [root.elementBytes, ...root.extents],
    size: { ...size, fixed: size.fixed + padding },
    layout: source.layout ?? "with gaps",
    device,
    owned: true,
    inPlace: false,
    output,
    sources: [],
  };
}

function firstChoice(node: GraphNode, machinery: Machinery, host: number, number_: (home: number) => number): number {
  if (node.home !== null) return number_(node.home);
  if (node.tiedTo !== null && machinery.ties !== null) return number_(machinery.ties[node.tiedTo] ?? HOST);
  if (node.operation === "rope" || node.operation === "attention") return UNSET;
  for (const source of node.sources) {
    if (isView(source) || !source.weight) continue;
    const there = number_(source.home ?? HOST);
    if (there === host && takesOver(node, machinery.rules)) return 0;
    return there;
  }
  return UNSET;
}

/** The first accelerator takes an operation over when its batch is worth copying the weight. */
function takesOver(node: GraphNode, rules: readonly BufferRule[]): boolean {
  const [first] = rules;
  if (first === undefined || rules.length === 1 || batchRows(node) < OFFLOAD_ROWS) return false;
  return first.offloads === "all" || node.operation === "matmul" || node.operation === "matmul-id";
}

/** Neighbours take over a device: accelerators downwards, then upwards, then whatever is left the same way. */
function spread(nodes: readonly GraphNode[], device: Map<GraphNode, number>, host: number): void {
  const walk = (from: number, to: number, by: number, skipHost: boolean): void => {
    let current = UNSET;
    for (let i = from; i !== to; i += by) {
      const node = nodes[i];
      if (node === undefined) continue;
      const own = device.get(node) ?? UNSET;
      if (own !== UNSET) current = skipHost && own === host ? UNSET : own;
      else if (current !== UNSET) device.set(node, current);
    }
  };
  const n = nodes.length;
  walk(0, n, 1, true);
  walk(n - 1, -1, -1, true);
  walk(0, n, 1, false);
  walk(n - 1, -1, -1, false);
  for (const node of nodes) if ((device.get(node) ?? UNSET) === UNSET) device.set(node, host);
}
