/** Makes the nodes of a graph and puts them in order, part by part. */
import type { TensorSpec } from "../../../model.ts";
import type { Shared } from "./assembly.ts";
import type { Scratch } from "./backends.ts";
import {
  type Extent,
  type GraphNode,
  type GraphView,
  isView,
  type Operation,
  type Phase,
  type Place,
  type Row,
  rootOf,
  type Size,
  type Source,
  sizeOf,
} from "./graph.ts";
import { SizeTable } from "./sizes.ts";

const NO_BYTES: Size = { fixed: 0, full: 0, window: 0 };
const ONE: readonly Extent[] = [1];
const NO_SOURCES: readonly Source[] = [];
const NO_MEMORY = { size: NO_BYTES } as const;

export interface NodeTraits {
  readonly elementBytes?: number;
  readonly size?: Size;
  readonly output?: boolean;
  readonly tied?: boolean;
}

const NOTHING_CARRIED: ReadonlyMap<number, number> = new Map();

/** What differs between the kinds of leaves. */
type Leaf = Pick<GraphNode, "name" | "extents"> &
  Partial<Pick<GraphNode, "elementBytes" | "place" | "weight" | "tensor" | "input">>;

/** A part's nodes in the order in which llama.cpp's graph has them: depth first, sources from left to right. */
export interface Ordered {
  readonly nodes: readonly GraphNode[];
  /** Weights, caches, inputs … */
  readonly leaves: readonly GraphNode[];
  /** … and before which of the nodes the graph came upon them. */
  readonly leavesAt: readonly number[];
  /** How many are in order before the next part asks for what this one gives. */
  readonly body: number;
  readonly bodyLeaves: number;
  /** Numbers of the nodes and views that all parts share are below these. */
  readonly sharedNodes: number;
  readonly sharedViews: number;
  readonly sizes: SizeTable;
  /** The part's own numbers begin here. */
  readonly firstNode: number;
  readonly firstView: number;
  readonly views: number;
}

/** Makes parts of a graph, one after the other. */
export class GraphBuilder {
  /** Of the nodes that are made from here on. */
  phase: Phase = "inputs";
  #nodes: GraphNode[] = [];
  #leaves: GraphNode[] = [];
  #leavesAt: number[] = [];
  #body = 0;
  #bodyLeaves = 0;
  #made = 0;
  #views = 0;
  #sharedNodes = 0;
  #sharedViews = 0;
  #firstNode = 0;
  #firstView = 0;
  readonly #inputs: GraphNode[] = [];
  readonly #sizes = new SizeTable();
  readonly #seen: boolean[] = [];

  node(
    name: string,
    operation: Operation,
    extents: readonly Extent[],
    sources: readonly Source[],
    traits: NodeTraits | null = null,
    scratch: Scratch | null = null,
  ): GraphNode {
    const elementBytes = traits?.elementBytes ?? 4;
    return {
      number: this.#made++,
      name,
      phase: this.phase,
      elementBytes,
      operation,
      extents,
      size: traits?.size ?? sizeOf(elementBytes, extents),
      sources,
      place: null,
      weight: false,
      tensor: null,
      input: false,
      output: traits?.output ?? false,
      tied: traits?.tied ?? false,
      scratch,
    };
  }

  /** Writes into one of the layer's caches. */
  store(name: string, sources: readonly Source[]): GraphNode {
    return { ...this.node(name, "store", ONE, sources, NO_MEMORY), place: "layer" };
  }

  /** Weights and caches lie somewhere already. */
  weight(name: string, tensor: TensorSpec | null, place: Place): GraphNode {
    return this.#leaf({ name, extents: ONE, place, weight: true, tensor });
  }

  /** One of the layer's. */
  cache(name: string): GraphNode {
    return this.#leaf({ name, extents: ONE, place: "layer" });
  }

  input(name: string, elementBytes: number, extents: readonly Extent[]): GraphNode {
    const made = this.#leaf({ name, elementBytes, extents, input: true });
    if (this.#sharedNodes === 0) this.#inputs.push(made);
    return made;
  }

  #leaf({
    name,
    extents,
    elementBytes = 4,
    place = null,
    weight = false,
    tensor = null,
    input = false,
  }: Leaf): GraphNode {
    return {
      number: this.#made++,
      name,
      phase: this.phase,
      elementBytes,
      operation: "leaf",
      extents,
      size: place === null ? sizeOf(elementBytes, extents) : NO_BYTES,
      sources: NO_SOURCES,
      place,
      weight,
      tensor,
      input,
      output: false,
      tied: false,
      scratch: null,
    };
  }

  view(source: Source, size: Size | null = null, row: Row | null = null): GraphView {
    const number = this.#views++;
    const whole = isView(source) ? source.size : null;
    return { number, root: rootOf(source), size: size ?? whole, extents: null, row };
  }

  /** A view of F32 without gaps. */
  reshape(source: Source, extents: readonly Extent[]): GraphView {
    return { number: this.#views++, root: rootOf(source), size: sizeOf(4, extents), extents, row: null };
  }

  /** Adds a node and what it needs. */
  expand(source: Source): void {
    const node = rootOf(source);
    if (this.#seen[node.number] === true) return;
    this.#seen[node.number] = true;
    for (const needed of node.sources) this.expand(needed);
    if (node.operation === "leaf") {
      this.#leaves.push(node);
      this.#leavesAt.push(this.#nodes.length);
    } else {
      this.#nodes.push(node);
    }
  }

  /**
   * All parts from here on share the inputs that were made so far, and the weight `perDevice`, made last.
   */
  share(perDevice: GraphNode | null): Shared {
    this.#sharedNodes = this.#made;
    this.#sharedViews = this.#views;
    this.#begin();
    return {
      nodes: [...this.#inputs],
      perDevice: perDevice === null ? -1 : perDevice.number,
      views: this.#views,
      sizes: this.#sizes,
      carried: NOTHING_CARRIED,
    };
  }

  /** What is added from here on is added when the next part asks for it. */
  endBody(): void {
    this.#body = this.#nodes.length;
    this.#bodyLeaves = this.#leaves.length;
  }

  /** Hands over a part and begins the next, which comes upon inputs anew. */
  take(): Ordered {
    const ordered: Ordered = {
      nodes: this.#nodes,
      leaves: this.#leaves,
      leavesAt: this.#leavesAt,
      body: this.#body,
      bodyLeaves: this.#bodyLeaves,
      sharedNodes: this.#sharedNodes,
      sharedViews: this.#sharedViews,
      sizes: this.#sizes,
      firstNode: this.#firstNode,
      firstView: this.#firstView,
      views: this.#views - this.#firstView,
    };
    for (const { number } of this.#leaves) this.#seen[number] = false;
    this.#begin();
    return ordered;
  }

  #begin(): void {
    this.#nodes = [];
    this.#leaves = [];
    this.#leavesAt = [];
    this.endBody();
    this.#firstNode = this.#made;
    this.#firstView = this.#views;
  }
}
