/** What the graph's builders share: the options as numbers, where things lie, and the small pieces every layer is made of. */

import type { LayerSpec, TensorSpec } from "../../../model.ts";
import type { KvType } from "../../../options.ts";
import type { Scratch } from "./backends.ts";
import type { GraphBuilder } from "./builder.ts";
import type { BlockInputs } from "./chosen-blocks.ts";
import { tensorsOf } from "./copy.ts";
import type { Extent, GraphNode, GraphView, Operation, Place, Source } from "./graph.ts";
import type { DecayInputs } from "./lightning.ts";

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

/** What all parts of a step share. */
export interface StepInputs {
  /** Matrices whose own scale llama.cpp leaves out. */
  readonly unscaled: readonly string[];
  readonly tokens: GraphNode;
  /** Once more, for a second embedding. */
  readonly tokensAgain: GraphNode;
  readonly embeddings: GraphNode;
  readonly positions: GraphNode;
  /** A factor for each token; null: queries have none. */
  readonly queryScale: GraphNode | null;
  readonly outputIds: GraphNode;
  /** What the rotary embedding is stretched by: each device that has layers has it; empty where there is none. */
  readonly ropeFactors: readonly GraphNode[];
  /** Rows of the recurrent states that this step's sequences own, and those that only move. */
  readonly ownRows: GraphView;
  readonly otherRows: GraphView;
  /** Of models with lightning attention. */
  readonly decay: DecayInputs | null;
  /** Of models with sparse attention. */
  readonly indexer: IndexerInputs | null;
  /** Of models whose sparse attention chooses blocks. */
  readonly blocks: BlockInputs | null;
  /** Made early and read by later layers; null where there is none. */
  readonly carried: CarriedInputs | null;
  readonly mask: (kind: "full" | "window") => GraphNode;
  /** Without a cache: which of the step's tokens see which. */
  readonly tokenMask: (kind: "full" | "window") => GraphNode;
  readonly keyRows: (kind: "full" | "window") => GraphNode;
  readonly valueRows: (kind: "full" | "window") => GraphNode;
  /** The rotation of quantized keys and values; null where there is none. */
  readonly keyRotation: (kind: "full" | "window") => GraphNode | null;
  readonly valueRotation: (kind: "full" | "window") => GraphNode | null;
}

/** What the indexers of all layers share. */
export interface IndexerInputs {
  readonly mask: GraphNode;
  readonly keyRows: GraphNode;
  /** Rotates queries and keys, whatever type the cache has. */
  readonly rotation: GraphNode;
  /** How many cells are chosen. */
  readonly chosen: number;
}

/** They stand for nodes of early parts. */
export interface CarriedInputs {
  /** Of the beginning: rows of the second embedding (gemma 4), or the embedding with images' features behind it (qwen 3 VL). */
  readonly rows: GraphNode;
  /** Of the first layer: each layer's part of an embedding of its own; null: there are none. */
  readonly parts: GraphNode | null;
}

/** A layer while its part is built. */
export class LayerContext {
  readonly graph: GraphBuilder;
  readonly step: Step;
  readonly inputs: StepInputs;
  readonly layer: LayerSpec;
  readonly kept: GraphView[] = [];
  /** Each layer's part of the second embedding, in the layer that makes them. */
  parts: GraphNode | null = null;
  readonly #tensors: ReadonlyMap<string, TensorSpec>;
  readonly #weights = new Map<string, GraphNode>();
  /** A layer norm, which never works in place, or an RMS norm, which may. */
  readonly #normOperation: Operation;

  constructor(graph: GraphBuilder, step: Step, inputs: StepInputs, layer: LayerSpec, layerNorm = false) {
    this.#normOperation = layerNorm ? "op" : "in-place";
    this.graph = graph;
    this.step = step;
    this.inputs = inputs;
    this.layer = layer;
    this.#tensors = tensorsOf(layer);
  }

  has(name: string): boolean {
    if (name.endsWith(".scale") && this.inputs.unscaled.includes(name.slice(0, -".scale".length))) return false;
    return this.#tensors.has(name);
  }

  /** Of a tensor that the layer has; 0 of one that it has not. */
  elements(name: string, dimension: number): number {
    return this.#tensors.get(name)?.shape[dimension] ?? 0;
  }

  weight(name: string): GraphNode {
    const known = this.#weights.get(name);
    if (known !== undefined) return known;
    const made = this.graph.weight(name, this.#tensors.get(name) ?? null, placeOf(name));
    this.#weights.set(name, made);
    return made;
  }

  cache(name: string): GraphNode {
    return this.graph.cache(name);
  }

  op(
    name: string,
    operation: Operation,
    extents: readonly Extent[],
    sources: readonly Source[],
    scratch: Scratch | null = null,
  ): GraphNode {
    return this.graph.node(name, operation, extents, sources, null, scratch);
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

  /** The norm, its weight and its bias where it has them: the norm is tied to the layer's device. */
  norm(name: string, input: Source, extents: readonly Extent[]): GraphNode {
    const weighted = this.has(name) || this.has(`${name}.weight`);
    const normed = this.graph.node("norm", this.#normOperation, extents, [input], weighted ? TIED : null);
    if (!weighted) return normed;
    const scaled = this.op(name, "in-place", extents, [normed, this.weight(this.has(name) ? name : `${name}.weight`)]);
    return this.biased(name, scaled);
  }

  /** Needed until the layer is done, for the next one to use as well. */
  keep(node: GraphNode): void {
    this.kept.push(this.graph.view(node));
  }

  /** Writes into a cache of the layer. */
  store(name: string, sources: readonly Source[]): void {
    this.graph.expand(this.graph.store(name, sources));
  }
}

export const TIED = { tied: true } as const;

/** Routed experts can be kept apart from their layer. @source common/common.h LLM_FFN_EXPS_REGEX at llama.cpp v0.5.0 */
function placeOf(name: string): Place {
  return /_(ch|)exps\./.test(name) ? "experts" : "layer";
}
