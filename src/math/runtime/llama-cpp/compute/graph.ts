/**
 * The graph of one step as llama.cpp builds it, with nothing but what its allocator looks at: which operation, how large,
 * from which sources, in which order. Only the caches' lengths stay open. It is made in parts (part.ts): layers that are
 * alike are the same part, put where they lie later.
 */
import type { GgmlType } from "../../../ggml-types.ts";
import type { TensorSpec } from "../../../model.ts";
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

/** Where memory from before the graph lies: with its layer, with the layer's experts, on the host, with the output. */
export type Place = "layer" | "experts" | "host" | "output";

/** A tensor that takes memory, or lies in memory that was taken before (weights, caches). */
export interface GraphNode {
  /** Counts the builder's nodes. */
  readonly number: number;
  readonly name: string;
  readonly phase: Phase;
  readonly elementBytes: number;
  readonly operation: Operation;
  readonly extents: readonly Extent[];
  readonly size: Size;
  readonly sources: readonly (GraphNode | GraphView)[];
  /** Of memory from before the graph; null for what the graph allocates. */
  readonly place: Place | null;
  readonly weight: boolean;
  /** Of a weight: the tensor, of the layer that the part was built from. */
  readonly tensor: TensorSpec | null;
  /** Filled in from outside before each step. */
  readonly input: boolean;
  /** Read after the step: its memory is never given back. */
  readonly output: boolean;
  /** The node is tied to its layer's device. */
  readonly tied: boolean;
  /** What some back-ends need inside the node. */
  readonly scratch: Scratch | null;
}

/** Another look at a node's memory. */
export interface GraphView {
  /** Counts the builder's views. */
  readonly number: number;
  readonly root: GraphNode;
  /** What a copy to another device would take; null = what the root takes. */
  readonly size: Size | null;
  /** The copy's shape, of F32; null for a view with gaps, whose copy nothing takes over. */
  readonly extents: readonly Extent[] | null;
  /** Of a view of a cache. */
  readonly row: Row | null;
}

export type Source = GraphNode | GraphView;

export function isView(source: Source): source is GraphView {
  return "root" in source;
}

export function rootOf(source: Source): GraphNode {
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
