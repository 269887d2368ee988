/**
 * The graph of one step as llama.cpp builds it, with nothing but what its allocator looks at: which operation, how large,
 * from which sources, in which order. Built once for a model and its options; only the caches' lengths stay open.
 */
import type { GgmlType } from "../../../ggml-types.ts";
import type { Scratch } from "./backends.ts";

/** Bytes that are known but for the lengths of the caches: fixed + full x cells + window x cells of the window. */
export interface Size {
  readonly fixed: number;
  readonly full: number;
  readonly window: number;
}

/** Bytes between a strided view's first and last element: (rows - 1) x stride + length, in elements. */
export function stridedSize(elementBytes: number, rows: number, stride: number, length: number): Size {
  return sizeOf(elementBytes, [(rows - 1) * stride + length]);
}

/** A dimension: a number, or the length of one of the two kinds of cache. */
export type Extent = number | "full" | "window";

/** Operations that need telling apart; what only computes is "op". */
export type Operation =
  | "leaf"
  | "op"
  | "in-place" // may take over a source's memory (ggml-alloc.c ggml_op_can_inplace)
  | "matmul"
  | "matmul-id"
  | "get-rows"
  | "rope" // may take over memory; its weights do not choose a device
  | "attention" // flash attention: its weights do not choose a device
  | "store"; // writes into a cache: takes no memory of its own

/** The rows of a tensor that may be quantized: back-ends pad them. */
export interface Row {
  readonly type: GgmlType;
  readonly elements: number;
}

/** What a step is doing while a node is computed. */
export type Phase = "inputs" | "attention" | "state" | "feed-forward" | "logits";

/** A tensor that takes memory, or lies in memory that was taken before (weights, caches). */
export interface GraphNode {
  readonly name: string;
  readonly phase: Phase;
  readonly elementBytes: number;
  readonly operation: Operation;
  readonly extents: readonly Extent[];
  readonly size: Size;
  /** Shape and element: a node takes over the memory only of a source with the same. */
  readonly layout: string;
  readonly sources: readonly (GraphNode | GraphView)[];
  /** Memory from before the graph: HOST or an accelerator; null for what the graph allocates. */
  readonly home: number | null;
  readonly weight: boolean;
  /** Filled in from outside before each step. */
  readonly input: boolean;
  /** Read after the step: its memory is never given back. */
  readonly output: boolean;
  /** The layer whose device the node is tied to, null = free. */
  readonly tiedTo: number | null;
  /** What some back-ends need inside the node. */
  readonly scratch: Scratch | null;
  /** Of a weight. */
  readonly row: Row | null;
}

/** Another look at a node's memory. */
export interface GraphView {
  readonly root: GraphNode;
  /** What a copy to another device would take. */
  readonly size: Size;
  /** The copy's layout; null for a view with gaps, whose copy nothing takes over. */
  readonly layout: string | null;
  /** Of a view of a cache. */
  readonly row: Row | null;
}

export function isView(source: GraphNode | GraphView): source is GraphView {
  return "root" in source;
}

export function rootOf(source: GraphNode | GraphView): GraphNode {
  return isView(source) ? source.root : source;
}

/** Element bytes x the product of the extents; at most one of them is a cache's length. */
export function sizeOf(elementBytes: number, extents: readonly Extent[]): Size {
  let count = elementBytes;
  let open: "full" | "window" | null = null;
  for (const extent of extents) {
    if (typeof extent === "number") count *= extent;
    else open = extent;
  }
  return { fixed: open === null ? count : 0, full: open === "full" ? count : 0, window: open === "window" ? count : 0 };
}

export interface NodeTraits {
  readonly elementBytes?: number;
  readonly size?: Size;
  readonly output?: boolean;
  readonly tiedTo?: number | null;
  readonly home?: number | null;
  readonly scratch?: Scratch | null;
}

/** Collects nodes in the order in which llama.cpp's graph has them: depth first, sources from left to right. */
export class GraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly leaves: GraphNode[] = [];
  /** Of the nodes that are made from here on. */
  phase: Phase = "inputs";
  readonly #seen = new Set<GraphNode>();

  node(
    name: string,
    operation: Operation,
    extents: readonly Extent[],
    sources: readonly (GraphNode | GraphView)[],
    traits: NodeTraits = {},
  ): GraphNode {
    const elementBytes = traits.elementBytes ?? 4;
    return {
      name,
      phase: this.phase,
      elementBytes,
      operation,
      extents,
      size: traits.size ?? sizeOf(elementBytes, extents),
      layout: layoutOf(elementBytes, extents),
      sources,
      home: traits.home ?? null,
      weight: false,
      input: false,
      output: traits.output ?? false,
      tiedTo: traits.tiedTo ?? null,
      scratch: traits.scratch ?? null,
      row: null,
    };
  }

  /** Weights and caches lie somewhere already. */
  weight(name: string, size: Size, home: number, row: Row | null): GraphNode {
    return { ...this.node(name, "leaf", [1], [], { size, home }), weight: true, row };
  }

  cache(name: string, home: number): GraphNode {
    return this.node(name, "leaf", [1], [], { size: sizeOf(0, []), home });
  }

  input(name: string, elementBytes: number, extents: readonly Extent[]): GraphNode {
    return { ...this.node(name, "leaf", extents, [], { elementBytes }), input: true };
  }

  view(source: GraphNode | GraphView, size: Size | null = null, row: Row | null = null): GraphView {
    return { root: rootOf(source), size: size ?? source.size, layout: null, row };
  }

  /** A view of F32 without gaps. */
  reshape(source: GraphNode | GraphView, extents: readonly Extent[]): GraphView {
    return { root: rootOf(source), size: sizeOf(4, extents), layout: layoutOf(4, extents), row: null };
  }

  /** Adds a node and what it needs. */
  expand(source: GraphNode | GraphView): void {
    const node = rootOf(source);
    if (this.#seen.has(node)) return;
    this.#seen.add(node);
    for (const needed of node.sources) this.expand(needed);
    (node.operation === "leaf" ? this.leaves : this.nodes).push(node);
  }
}

/** Dimensions of 1 at the end say nothing. */
function layoutOf(elementBytes: number, extents: readonly Extent[]): string {
  let length = extents.length;
  while (length > 1 && extents[length - 1] === 1) length--;
  return `${elementBytes}:${extents.slice(0, length).join("x")}`;
}

/** Rows of a batch, by which llama.cpp decides whether an accelerator should run an operation whose weight is on the host. */
export function batchRows(node: GraphNode): number {
  const extent = (i: number): number => {
    const value = node.extents[i] ?? 1;
    return typeof value === "number" ? value : Number.POSITIVE_INFINITY;
  };
  switch (node.operation) {
    case "get-rows":
      return 0;
    case "matmul":
      return extent(1);
    case "matmul-id":
    case "rope":
      return extent(2);
    default:
      return extent(1) * extent(2) * extent(3);
  }
}
