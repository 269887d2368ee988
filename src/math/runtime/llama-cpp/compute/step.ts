/** What the graph's builders share: the options as numbers, where things lie, and the small pieces every layer is made of. */

import { tensorBytes } from "../../../ggml-types.ts";
import type { LayerSpec, TensorSpec } from "../../../model.ts";
import type { KvType } from "../../../options.ts";
import type { Scratch } from "./backends.ts";
import { type Extent, type GraphBuilder, type GraphNode, type GraphView, type Operation, sizeOf } from "./graph.ts";

/** One step: how many tokens, sequences and rows of logits, and how attention works. */
export interface Step {
  /** A multiple of sequences. */
  readonly tokens: number;
  readonly sequences: number;
  /** Streams of the attention's caches: 1 when they are unified. */
  readonly streams: number;
  readonly outputs: number;
  readonly flashAttention: boolean;
  readonly kvTypeK: KvType;
  readonly kvTypeV: KvType;
}

export type Source = GraphNode | GraphView;

/** Inputs that are made when the first layer asks for them. */
export interface StepInputs {
  readonly positions: GraphNode;
  readonly outputIds: GraphNode;
  /** What the rotary embedding is stretched by: a weight on each device that has layers; empty where there is none. */
  readonly ropeFactors: (home: number) => readonly GraphNode[];
  /** Rows of the recurrent states that this step's sequences own, and those that only move. */
  readonly ownRows: GraphView;
  readonly otherRows: GraphView;
  readonly mask: (kind: "full" | "window") => GraphNode;
  readonly keyRows: (kind: "full" | "window") => GraphNode;
  readonly valueRows: (kind: "full" | "window") => GraphNode;
  /** The rotation of quantized keys and values; null where there is none. */
  readonly keyRotation: (kind: "full" | "window") => GraphNode | null;
  readonly valueRotation: (kind: "full" | "window") => GraphNode | null;
}

/** A layer while its graph is built. */
export class LayerContext {
  readonly graph: GraphBuilder;
  readonly step: Step;
  readonly inputs: StepInputs;
  readonly layer: LayerSpec;
  /** Where the layer, and so its caches, lie. */
  readonly home: number;
  readonly #expertHome: number;
  readonly #tensors: ReadonlyMap<string, TensorSpec>;
  readonly #weights = new Map<string, GraphNode>();

  constructor(graph: GraphBuilder, step: Step, inputs: StepInputs, layer: LayerSpec, home: number, expertHome: number) {
    this.graph = graph;
    this.step = step;
    this.inputs = inputs;
    this.layer = layer;
    this.home = home;
    this.#expertHome = expertHome;
    const prefix = `blk.${layer.index}.`;
    this.#tensors = new Map(
      layer.tensors.map((t) => [t.name.startsWith(prefix) ? t.name.slice(prefix.length) : t.name, t]),
    );
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  weight(name: string): GraphNode {
    const known = this.#weights.get(name);
    if (known !== undefined) return known;
    const home = /_(ch|)exps\./.test(name) ? this.#expertHome : this.home;
    const made = weightNode(this.graph, name, this.#tensors.get(name) ?? null, home);
    this.#weights.set(name, made);
    return made;
  }

  cache(name: string): GraphNode {
    return this.graph.cache(`${name}-${this.layer.index}`, this.home);
  }

  op(
    name: string,
    operation: Operation,
    extents: readonly Extent[],
    sources: readonly Source[],
    scratch: Scratch | null = null,
  ): GraphNode {
    return this.graph.node(name, operation, extents, sources, { scratch });
  }

  /** Weight x input, then the weight's own scale and bias where the file has them. */
  matmul(name: string, width: number, input: Source, rest: readonly Extent[] = [this.step.tokens]): GraphNode {
    const tensor = `${name}.weight`;
    let out = this.op(name, "matmul", [width, ...rest], [this.weight(tensor), input]);
    if (this.has(`${name}.scale`)) {
      out = this.op(`${name} scaled`, "in-place", out.extents, [out, this.weight(`${name}.scale`)]);
    }
    return this.biased(name, out);
  }

  biased(name: string, input: GraphNode): GraphNode {
    const bias = `${name}.bias`;
    return this.has(bias) ? this.op(`${name} biased`, "in-place", input.extents, [input, this.weight(bias)]) : input;
  }

  /** RMS norm and its weight: the norm is tied to the layer's device. */
  norm(name: string, input: Source, extents: readonly Extent[], operation: Operation = "in-place"): GraphNode {
    const tiedTo = this.layer.index;
    const normed = this.graph.node("norm", operation, extents, [input], { tiedTo });
    return this.op(name, "in-place", extents, [normed, this.weight(this.has(name) ? name : `${name}.weight`)]);
  }

  /** Writes into a cache of the layer. */
  store(name: string, sources: readonly Source[]): void {
    this.graph.expand(this.graph.node(name, "store", [1], sources, { size: sizeOf(0, []), home: this.home }));
  }
}

/** A tensor of the model where it lies. The size is what it has without any padding. */
export function weightNode(graph: GraphBuilder, name: string, tensor: TensorSpec | null, home: number): GraphNode {
  if (tensor === null) return graph.weight(name, sizeOf(0, []), home, null);
  const type = tensor.type ?? "F16";
  const bytes = tensorBytes(type, tensor.shape);
  return graph.weight(name, sizeOf(bytes, []), home, { type, elements: tensor.shape[0] ?? 1 });
}
