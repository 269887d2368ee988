/**
 * A part of a step's graph in numbers: the beginning, one layer, or the end. Alike layers share one; what differs from layer
 * to layer (where it lies, which tensors it has) is asked of the place that a part is put in (assembly.ts).
 */
import type { Ordered } from "./builder.ts";
import type { GraphNode, Place, Source } from "./graph.ts";
import { isView, rootOf } from "./graph.ts";

/** Places as numbers, from 1; 0 = none. */
export const PLACE: Readonly<Record<Place, number>> = { layer: 1, experts: 2, host: 3, output: 4 };

/** What a source refers to, beside the part's own nodes and leaves (0 and up). */
export const INPUT = -1;
/** -2, -3 …: what all parts share: number 0, 1 … */
export const FIRST_SHARED = -2;

/** Bits of a source. */
export const IS_WEIGHT = 1;
/** The node may take over its memory, if it is not a view or was copied. */
export const FITS = 2;

/** Bits of a node or leaf. */
export const OWNED = 1;
export const IN_PLACE = 2;
export const OUTPUT = 4;

export interface Part {
  /** In order: those that are in the graph once the part is built, then those that wait for the next part to ask for its input. */
  readonly nodes: readonly GraphNode[];
  readonly body: number;
  /** Weights and caches: numbered after the nodes. */
  readonly leaves: readonly GraphNode[];
  /** What the next part's input is: one of the nodes, INPUT, or shared. */
  readonly result: number;
  /** The part reads its input after the step. */
  readonly keepsInput: boolean;
  readonly viewCount: number;
  /** INPUT or shared inputs where the graph comes upon them first: before node `at`. Those of the body come first. */
  readonly met: readonly { readonly at: number; readonly what: number }[];
  readonly metInBody: number;
  /** By node: its first source; one more at the end. */
  readonly first: Int32Array;
  /** By source. */
  readonly source: Int32Array;
  /** By source: the view's number; -1 = the tensor itself; -2, -3 … a view that all parts share. */
  readonly view: Int32Array;
  readonly sourceBits: Uint8Array;
  readonly sources: readonly Source[];
  /** By node or leaf. */
  readonly bits: Uint8Array;
  /** By node or leaf: number in the step's table of sizes. */
  readonly size: Int32Array;
  /** Nodes that some back-ends need memory in. */
  readonly withScratch: readonly number[];
  /** By node or leaf: PLACE of memory from before the graph. */
  readonly place: Uint8Array;
  /** By node: PLACE of the weight that chooses its device. */
  readonly follows: Uint8Array;
  readonly tied: Uint8Array;
  /** By node: rows of its batch. */
  readonly rows: Float64Array;
  readonly matmul: Uint8Array;
  /** By the multiple that quantized rows are filled up to, then by layer and source: number of a copy's size (copy.ts). */
  readonly copySizes: Map<number, Map<number, number>>;
}

export interface Ends {
  /** What stands for the result of the part before. */
  readonly input: GraphNode | null;
  /** What the next part gets; null: there is none. */
  readonly result: GraphNode | null;
  readonly keepsInput: boolean;
}

export function partOf(ordered: Ordered, { input, result, keepsInput }: Ends): Part {
  const { nodes, leaves, leavesAt, body, bodyLeaves, sharedNodes, sharedViews, firstNode, firstView, views, sizes } =
    ordered;
  const own: GraphNode[] = [];
  const met: { at: number; what: number }[] = [];
  const numbers: number[] = [];
  nodes.forEach((node, i) => {
    numbers[node.number - firstNode] = i;
  });
  let metInBody = 0;
  leaves.forEach((leaf, i) => {
    const at = leavesAt[i] ?? 0;
    if (leaf === input) met.push({ at, what: INPUT });
    else if (leaf.number < sharedNodes) {
      if (leaf.input) met.push({ at, what: FIRST_SHARED - leaf.number });
    } else {
      numbers[leaf.number - firstNode] = nodes.length + own.length;
      own.push(leaf);
    }
    if (i < bodyLeaves) metInBody = met.length;
  });
  const code = (node: GraphNode): number => {
    if (node === input) return INPUT;
    return node.number < sharedNodes ? FIRST_SHARED - node.number : (numbers[node.number - firstNode] ?? INPUT);
  };

  const n = nodes.length;
  const first = new Int32Array(n + 1);
  for (let i = 0; i < n; i++) first[i + 1] = (first[i] ?? 0) + (nodes[i]?.sources.length ?? 0);
  const count = first[n] ?? 0;
  const source = new Int32Array(count);
  const view = new Int32Array(count);
  const sourceBits = new Uint8Array(count);
  const sources: Source[] = [];
  const bits = new Uint8Array(n + own.length);
  const size = new Int32Array(n + own.length);
  const withScratch: number[] = [];
  const place = new Uint8Array(n + own.length);
  const follows = new Uint8Array(n);
  const tied = new Uint8Array(n);
  const rows = new Float64Array(n);
  const matmul = new Uint8Array(n);
  nodes.forEach((node, i) => {
    const { operation } = node;
    const inPlace = operation === "in-place" || operation === "rope";
    const chooses = operation !== "rope" && operation !== "attention";
    bits[i] =
      (node.place === null && operation !== "store" ? OWNED : 0) |
      (inPlace ? IN_PLACE : 0) |
      (node.output ? OUTPUT : 0);
    size[i] = sizes.indexOf(node.size);
    if (node.scratch !== null) withScratch.push(i);
    place[i] = node.place === null ? 0 : PLACE[node.place];
    tied[i] = node.tied ? 1 : 0;
    rows[i] = batchRows(node);
    matmul[i] = operation === "matmul" || operation === "matmul-id" ? 1 : 0;
    for (const s of node.sources) {
      const j = sources.length;
      const root = rootOf(s);
      source[j] = code(root);
      sources.push(s);
      const weight = root.weight && !isView(s);
      view[j] = !isView(s) ? -1 : s.number < sharedViews ? FIRST_SHARED - s.number : s.number - firstView;
      sourceBits[j] = (weight ? IS_WEIGHT : 0) | (inPlace && sameShape(node, s) ? FITS : 0);
      if (weight && chooses && follows[i] === 0) follows[i] = root.place === null ? 0 : PLACE[root.place];
    }
  });
  own.forEach((leaf, i) => {
    size[n + i] = sizes.indexOf(leaf.size);
    bits[n + i] = leaf.place === null ? OWNED : 0;
    place[n + i] = leaf.place === null ? 0 : PLACE[leaf.place];
  });
  return {
    nodes,
    body,
    leaves: own,
    result: result === null ? INPUT : code(result),
    keepsInput,
    viewCount: views,
    met,
    metInBody,
    first,
    source,
    view,
    sourceBits,
    sources,
    bits,
    size,
    withScratch,
    place,
    follows,
    tied,
    rows,
    matmul,
    copySizes: new Map(),
  };
}

/** A node takes over only what has its shape and elements. */
function sameShape(node: GraphNode, source: Source): boolean {
  const extents = isView(source) ? source.extents : source.extents;
  if (extents === null || node.elementBytes !== (isView(source) ? 4 : source.elementBytes)) return false;
  // Dimensions of 1 at the end say nothing.
  for (let i = Math.max(extents.length, node.extents.length); i-- > 0; ) {
    if ((extents[i] ?? 1) !== (node.extents[i] ?? 1)) return false;
  }
  return true;
}

/** Rows of a batch, by which llama.cpp decides whether an accelerator should run an operation whose weight is on the host. */
function batchRows(node: GraphNode): number {
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
