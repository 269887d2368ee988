/**
 * The whole graph of one step: embedding, layers, head.
 * @source src/llama-graph.cpp build_inp_embd, build_inp_out_ids and src/models/*.cpp at llama.cpp v0.5.0
 */

import { isQuantized } from "../../../ggml-types.ts";
import type { LayerSpec, ModelSpec, TensorSpec } from "../../../model.ts";
import type { KvType } from "../../../options.ts";
import type { Shared } from "./assembly.ts";
import { attention } from "./attention.ts";
import { GraphBuilder } from "./builder.ts";
import { blockInputs } from "./chosen-blocks.ts";
import { encoderLayer } from "./encoder.ts";
import { dense, denseAndExperts, experts, subNormed } from "./feed-forward.ts";
import { type Extent, type GraphNode, rootOf, type Source, sizeOf } from "./graph.ts";
import { latentAttention } from "./latent-attention.ts";
import { decayInputs } from "./lightning.ts";
import { type Part, partOf } from "./part.ts";
import { recurrent } from "./recurrent.ts";
import { rwkvLayer } from "./rwkv.ts";
import { firstValues } from "./rwkv7.ts";
import {
  carriedInputs,
  firstParts,
  imageLayers,
  padded,
  SECOND_EMBEDDING,
  secondRows,
  slice,
  withImageFeatures,
  withOwnPart,
} from "./second-embedding.ts";
import { type CarriedInputs, type IndexerInputs, LayerContext, type Step, type StepInputs, TIED } from "./step.ts";
import { GRAPH_TRAITS, type GraphTraits } from "./traits.ts";

/** The first layer, where it makes what all others read. */
const FIRST_KIND = -1;

/** The parts of one step's graph, each built when it is asked for first. */
export class StepParts {
  shared: Shared;
  readonly #model: ModelSpec;
  readonly #step: Step;
  readonly #graph = new GraphBuilder();
  readonly #traits: GraphTraits;
  readonly #inputs: StepInputs;
  readonly #twoCaches: boolean;
  readonly #layers = new Map<number, Part>();
  #begin: Part | null = null;
  #end: Part | null = null;

  constructor(model: ModelSpec, step: Step) {
    this.#model = model;
    this.#step = step;
    this.#traits = GRAPH_TRAITS[model.family];
    this.#twoCaches = model.layers.some((l) => l.mixers.some((m) => "window" in m && m.window !== null));
    this.#inputs = stepInputs(this.#graph, model, step);
    this.shared = this.#graph.share(this.#inputs.ropeFactors[0] ?? null);
    if (this.#inputs.carried !== null) this.#carry(this.#inputs.carried);
  }

  /** Builds what carries nodes on, to know their numbers. */
  #carry({ rows, parts }: CarriedInputs): void {
    const begin = this.begin();
    const carried = new Map([[rows.number, begin.nodes.findIndex(({ name }) => name === rows.name)]]);
    this.shared = { ...this.shared, carried };
    if (parts === null) return;
    const first = this.layer(0, FIRST_KIND);
    const at = first.nodes.findIndex(({ name }) => name === parts.name);
    carried.set(parts.number, begin.nodes.length + begin.leaves.length + at);
  }

  /** What comes before the layers. */
  begin(): Part {
    this.#begin ??= this.#buildBegin();
    return this.#begin;
  }

  /** @param kind the same for layers that are alike in all but where they lie and their weights' types */
  layer(index: number, kind: number): Part {
    const last = index === this.#model.layers.length - 1;
    const first = index === 0 && this.#inputs.carried?.parts != null;
    const key = 2 * (first ? FIRST_KIND : kind) + (last ? 1 : 0);
    const known = this.#layers.get(key);
    if (known !== undefined) return known;
    const made = this.#buildLayer(index, last);
    this.#layers.set(key, made);
    return made;
  }

  /** What comes after the layers. */
  end(): Part {
    this.#end ??= this.#buildEnd();
    return this.#end;
  }

  #buildBegin(): Part {
    const graph = this.#graph;
    const extents = [this.#model.embeddingLength, this.#step.tokens];
    graph.phase = "inputs";
    const table = graph.weight("token_embd.weight", this.#outside("token_embd.weight"), "host");
    const embedding = graph.node("embedding", "get-rows", extents, [table, this.#inputs.tokens]);
    const features = imageLayers(this.#model);
    if (features > 0) {
      const whole = padded(graph, embedding, features);
      graph.expand(whole);
      graph.expand(this.#inputs.embeddings);
      return this.#finish(null, whole);
    }
    graph.expand(embedding);
    // The step may be given embeddings instead: their place is kept, though nothing reads it.
    graph.expand(this.#inputs.embeddings);
    const scaled = this.#traits.embeddingScaled;
    const result = scaled ? graph.node("embedding scaled", "in-place", extents, [embedding]) : embedding;
    const secondTable = this.#outside(SECOND_EMBEDDING);
    if (secondTable !== null) graph.expand(secondRows(graph, this.#inputs, secondTable, this.#step.tokens));
    return this.#finish(
      null,
      this.#embeddingNormed(this.#withPositions(this.#typed(result, extents), extents), extents),
    );
  }

  /** The row of the first token type is added to each embedding (bert). */
  #typed(embedding: GraphNode, extents: readonly Extent[]): GraphNode {
    const tensor = this.#outside("token_types.weight");
    if (tensor === null) return embedding;
    const row = this.#graph.view(
      this.#graph.weight(tensor.name, tensor, "host"),
      sizeOf(4, [this.#model.embeddingLength]),
    );
    return this.#graph.node("embedding and type", "in-place", extents, [embedding, row]);
  }

  /** Learned positions are added to the embedding (gpt-2). */
  #withPositions(embedding: GraphNode, extents: readonly Extent[]): GraphNode {
    const tensor = this.#outside("position_embd.weight");
    if (tensor === null) return embedding;
    const graph = this.#graph;
    const table = graph.weight(tensor.name, tensor, "host");
    const rows = graph.node("position embedding", "get-rows", extents, [table, this.#inputs.positions]);
    const summands = this.#traits.positionsFirst ? [rows, embedding] : [embedding, rows];
    return graph.node("embedding and position", "in-place", extents, summands);
  }

  /** A layer norm of the embedding (bloom). */
  #embeddingNormed(embedding: GraphNode, extents: readonly Extent[]): GraphNode {
    const [weight, bias] = [this.#outside("token_embd_norm.weight"), this.#outside("token_embd_norm.bias")];
    if (weight === null || bias === null) return embedding;
    const graph = this.#graph;
    const normed = graph.node("embedding norm", "op", extents, [embedding], TIED);
    const scaled = graph.node("embedding normed", "in-place", extents, [
      normed,
      graph.weight(weight.name, weight, "host"),
    ]);
    return graph.node("embedding norm biased", "in-place", extents, [scaled, graph.weight(bias.name, bias, "host")]);
  }

  #buildLayer(index: number, last: boolean): Part {
    const layer = this.#model.layers[index];
    const { embeddingLength: E } = this.#model;
    const graph = this.#graph;
    graph.phase = "attention";
    const features = index === 0 ? imageLayers(this.#model) : 0;
    const input = graph.input("input", 4, [(1 + features) * E, this.#step.tokens]);
    if (layer === undefined) return this.#finish(input, input);
    const at = new LayerContext(graph, this.#step, this.#inputs, layer, this.#traits.layerNorm);
    if (index === 0) at.parts = firstParts(at, this.#model, input);
    const given = features > 0 ? slice(graph, input, E, this.#step.tokens) : input;
    const build = layerBuilder(layer, this.#traits);
    return this.#finish(input, build(at, E, given, this.#traits, last, this.#twoCaches));
  }

  #buildEnd(): Part {
    const { embeddingLength: E, vocabularySize } = this.#model;
    const { outputsAt, layerNorm } = this.#traits;
    const { tokens, outputs } = this.#step;
    const { outputIds } = this.#inputs;
    const graph = this.#graph;
    graph.phase = "logits";
    const head = this.#outside("output.weight") ?? this.#outside("token_embd.weight");
    if (head?.role === "embedding" && !this.#model.tiedEmbeddings) return this.#endWithoutHead();
    const headWeight = graph.weight("output.weight", head, this.#traits.tiedHead === "never" ? "host" : "output");
    const picked = outputsAt === "attention" || outputsAt === "sum";
    const input = graph.input("input", 4, [E, picked ? outputs : tokens]);
    const current = outputsAt === "end" ? graph.node("picked", "get-rows", [E, outputs], [input, outputIds]) : input;
    const rows = outputsAt === "norm" ? tokens : outputs;
    const normed = graph.node("output norm", layerNorm ? "op" : "in-place", [E, rows], [current]);
    const tensor = this.#outside("output_norm.weight");
    const norm = graph.weight("output_norm.weight", tensor, "output");
    let result =
      tensor === null
        ? normed
        : this.#output("output normed", "in-place", [E, rows], [normed, norm], "output_norm.bias");
    if (outputsAt === "norm") {
      result = graph.node("output picked", "get-rows", [E, outputs], [result, outputIds], OUTPUT);
    }
    if (this.#traits.headScaled) result = graph.node("output scaled", "in-place", [E, outputs], [result]);
    graph.expand(this.#output("logits", "matmul", [vocabularySize, outputs], [headWeight, result], "output.bias"));
    return this.#finish(input, null, outputsAt === "end");
  }

  /** An encoder's last layer is what is read. */
  #endWithoutHead(): Part {
    const input = this.#graph.input("input", 4, [this.#model.embeddingLength, this.#step.outputs]);
    this.#graph.expand(input);
    return this.#finish(input, null);
  }

  /** Read after the step: the node itself, or the bias added to it. */
  #output(
    name: string,
    operation: "in-place" | "matmul",
    extents: readonly Extent[],
    sources: readonly Source[],
    biasName: string,
  ): GraphNode {
    const graph = this.#graph;
    const bias = this.#outside(biasName);
    if (bias === null) return graph.node(name, operation, extents, sources, OUTPUT);
    const plain = graph.node(name, operation, extents, sources);
    const weight = graph.weight(biasName, bias, "output");
    return graph.node(`${name} biased`, "in-place", extents, [plain, weight], OUTPUT);
  }

  /** What leads to the result is computed when the next part asks for it. */
  #finish(input: GraphNode | null, result: GraphNode | null, keepsInput = false): Part {
    this.#graph.endBody();
    if (result !== null) this.#graph.expand(result);
    return partOf(this.#graph.take(), { input, result, keepsInput });
  }

  #outside(name: string): TensorSpec | null {
    return this.#model.outside.find((tensor) => tensor.name === name) ?? null;
  }
}

const OUTPUT = { output: true } as const;

function pick({ graph, inputs }: LayerContext, width: number, from: Source, rows: number): GraphNode {
  return graph.node("picked", "get-rows", [width, rows], [from, inputs.outputIds]);
}

type LayerBuilder = (
  at: LayerContext,
  width: number,
  input: Source,
  traits: GraphTraits,
  last: boolean,
  twoCaches: boolean,
) => GraphNode;

const sequentialLayer: LayerBuilder = (at, E, input, traits, last, twoCaches) => {
  const { step } = at;
  let made: GraphNode | null = null;
  const makeNorm = (): GraphNode => {
    made = (traits.normedResidual ? made : null) ?? at.norm("attn_norm", input, [E, step.tokens]);
    return made;
  };
  const alone = at.layer.mixers.length === 0;
  let mixed = alone ? feedForward(at, E, makeNorm(), step.tokens, traits) : mix(at, E, makeNorm, traits, twoCaches);
  let residual: Source = traits.normedResidual ? makeNorm() : input;
  let rows = step.tokens;
  if (last && traits.outputsAt === "attention") {
    mixed = pick(at, E, mixed, step.outputs);
    residual = pick(at, E, residual, step.outputs);
    rows = step.outputs;
  }
  const ownNorm = hasNorm(at, "ffn_norm");
  if (ownNorm && hasNorm(at, "post_attention_norm")) mixed = at.norm("post_attention_norm", mixed, [E, rows]);
  const summands = traits.attentionResidualFirst ? [residual, mixed] : [mixed, residual];
  let sum = at.op("attention residual", "in-place", [E, rows], summands);
  if (last && traits.outputsAt === "sum") {
    rows = step.outputs;
    sum = pick(at, E, sum, rows);
  }
  if (alone || at.layer.feedForward.kind === "none") return sum;
  const before =
    ["ffn_norm", "attn_output_norm", "post_attention_norm"].find((name) => hasNorm(at, name)) ?? "ffn_norm";
  const block = at.layer.feedForward;
  const normed = at.norm(before, sum, [E, rows]);
  let out =
    block.kind === "moe" && at.has("pre_ffw_norm_2.weight")
      ? denseAndExperts(at, E, block, sum, rows, traits.experts)
      : feedForward(at, E, normed, rows, traits, rootOf(input));
  if (hasNorm(at, "post_ffw_norm")) out = feedForwardNormed(at, E, out, rows, traits);
  const both = traits.residualFirst ? [sum, out] : [out, traits.normedResidual ? normed : sum];
  const joined = at.op("layer out", "in-place", [E, rows], [...both, ...at.kept]);
  const whole = withImageFeatures(at, E, withOwnPart(at, E, joined));
  if (!at.has("layer_output_scale.weight")) return whole;
  return at.op("layer out scaled", "in-place", [E, rows], [whole, at.weight("layer_output_scale.weight")]);
};

const parallelLayer: LayerBuilder = (at, E, input, traits, last, twoCaches) => {
  const { step } = at;
  const norm = at.norm("attn_norm", input, [E, step.tokens]);
  // Falcon's larger models have a norm for attention and another for the feed-forward block.
  const own = hasNorm(at, "attn_norm_2");
  const makeNorm = (): GraphNode => (own ? at.norm("attn_norm_2", input, [E, step.tokens]) : norm);
  let mixed = mix(at, E, makeNorm, traits, twoCaches);
  let normed = norm;
  let residual: Source = input;
  let rows = step.tokens;
  if (last) {
    rows = step.outputs;
    mixed = pick(at, E, mixed, rows);
    residual = pick(at, E, residual, rows);
    normed = pick(at, E, normed, rows);
  }
  const out = feedForward(at, E, normed, rows, traits);
  const [first, second] = traits.attentionFirst ? [mixed, residual] : [residual, mixed];
  const summands = traits.attentionFirst && traits.attentionLeft ? [first, out] : [out, first];
  const sum = at.op("feed-forward summed", "in-place", [E, rows], summands);
  return at.op("layer out", "in-place", [E, rows], [sum, second]);
};

/** Beside attention, but behind a norm of its own (gpt-neox). */
const besideLayer: LayerBuilder = (at, E, input, traits, last, twoCaches) => {
  const { step } = at;
  let mixed = mix(at, E, () => at.norm("attn_norm", input, [E, step.tokens]), traits, twoCaches);
  let residual: Source = input;
  let rows = step.tokens;
  if (last) {
    rows = step.outputs;
    mixed = pick(at, E, mixed, rows);
    residual = pick(at, E, residual, rows);
  }
  const out = feedForward(at, E, at.norm("ffn_norm", residual, [E, rows]), rows, traits);
  const sum = at.op("feed-forward summed", "in-place", [E, rows], [out, residual]);
  return at.op("layer out", "in-place", [E, rows], [sum, mixed]);
};

/** One after the other, but the dense block reads what attention read (stablelm 2 12b). */
const sharedNormLayer: LayerBuilder = (at, E, input, traits, last, twoCaches) => {
  const { step } = at;
  const norm = at.norm("attn_norm", input, [E, step.tokens]);
  let mixed = mix(at, E, () => norm, traits, twoCaches);
  let residual: Source = input;
  let normed = norm;
  let rows = step.tokens;
  if (last) {
    rows = step.outputs;
    mixed = pick(at, E, mixed, rows);
    residual = pick(at, E, residual, rows);
    normed = pick(at, E, normed, rows);
  }
  const sum = at.op("attention residual", "in-place", [E, rows], [mixed, residual]);
  return at.op("layer out", "in-place", [E, rows], [feedForward(at, E, normed, rows, traits), sum]);
};

/** A dense block alone, or nothing (nemotron-nas). */
const withoutAttentionLayer: LayerBuilder = (at, E, input, traits, last) => {
  const { step } = at;
  if (at.layer.feedForward.kind === "none") return last ? pick(at, E, input, step.outputs) : rootOf(input);
  const rows = last ? step.outputs : step.tokens;
  const sum = last ? pick(at, E, input, rows) : rootOf(input);
  const out = feedForward(at, E, at.norm("ffn_norm", sum, [E, rows]), rows, traits);
  return at.op("layer out", "in-place", [E, rows], [out, sum]);
};

/** No norm before attention and none before the dense block: both are normed on their way out (olmo 2, exaone 4). */
const normedAfterLayer: LayerBuilder = (at, E, input, traits, last, twoCaches) => {
  const { step } = at;
  let mixed = mix(at, E, () => rootOf(input), traits, twoCaches);
  let residual: Source = input;
  let rows = step.tokens;
  if (last) {
    rows = step.outputs;
    mixed = pick(at, E, mixed, rows);
    residual = pick(at, E, residual, rows);
  }
  const normed = at.norm("post_attention_norm", mixed, [E, rows]);
  const sum = at.op("attention residual", "in-place", [E, rows], [normed, residual]);
  const out = feedForwardNormed(at, E, feedForward(at, E, sum, rows, traits), rows, traits);
  return at.op("layer out", "in-place", [E, rows], [out, sum]);
};

function feedForwardNormed(at: LayerContext, E: number, out: GraphNode, rows: number, traits: GraphTraits): GraphNode {
  const normed = at.graph.node("norm", "in-place", [E, rows], [out], traits.freePostNorm ? null : TIED);
  return at.op("feed-forward normed", "in-place", [E, rows], [normed, at.weight("post_ffw_norm.weight")]);
}

/** Of a layer whose input is never a part of something else. */
function onItsOwn(
  build: (at: LayerContext, E: number, input: GraphNode, traits: GraphTraits, last: boolean) => GraphNode,
): LayerBuilder {
  return (at, E, input, traits, last) => build(at, E, rootOf(input), traits, last);
}

function layerBuilder(
  { feedForward, mixers, tensors, index }: LayerSpec,
  { parallel, layerNorm }: GraphTraits,
): LayerBuilder {
  if (mixers.some((mixer) => "cached" in mixer && !mixer.cached)) return onItsOwn(encoderLayer);
  if (mixers.some((mixer) => mixer.kind === "state" && mixer.algorithm.startsWith("rwkv"))) return onItsOwn(rwkvLayer);
  if (parallel) return parallelLayer;
  if (feedForward.kind === "dense" && feedForward.besideAttention === true) return besideLayer;
  if (mixers.length === 0 && !tensors.some(({ name }) => name === `blk.${index}.attn_norm.weight`)) {
    return withoutAttentionLayer;
  }
  const has = (name: string): boolean => tensors.some((tensor) => tensor.name === `blk.${index}.${name}.weight`);
  if (has("post_ffw_norm") && !has("attn_norm")) return normedAfterLayer;
  const onlyNorm = layerNorm && has("attn_norm") && !has("ffn_norm");
  return onlyNorm && feedForward.kind === "dense" ? sharedNormLayer : sequentialLayer;
}

function hasNorm(at: LayerContext, name: string): boolean {
  return at.has(name) || at.has(`${name}.weight`);
}

function mix(at: LayerContext, E: number, makeNorm: () => GraphNode, traits: GraphTraits, twoCaches: boolean): Source {
  let out: Source | null = null;
  for (const mixer of at.layer.mixers) {
    let part: Source;
    at.graph.phase = mixer.kind === "state" ? "state" : "attention";
    if (mixer.kind === "state") part = recurrent(at, mixer, E, makeNorm, traits);
    else {
      const norm = makeNorm();
      if (traits.normFirst) at.graph.expand(norm);
      const attended =
        mixer.kind === "latent"
          ? latentAttention(at, mixer, norm)
          : attention(at, mixer, norm, {
              twoCaches,
              normAfterRope: traits.normAfterRope,
              valuesNormed: traits.valuesNormed,
            });
      part = at.matmul("attn_output", E, subNormed(at, "attn_sub_norm", attended, at.step.tokens));
    }
    out = out === null ? part : at.op("mixers together", "in-place", [E, at.step.tokens], [out, part]);
  }
  return out ?? makeNorm();
}

function feedForward(
  at: LayerContext,
  E: number,
  input: GraphNode,
  rows: number,
  traits: GraphTraits,
  layerInput = input,
): GraphNode {
  const block = at.layer.feedForward;
  at.graph.phase = "feed-forward";
  if (block.kind === "dense") return dense(at, E, block, input, rows);
  if (block.kind === "moe") return experts(at, E, block, input, rows, traits.experts, layerInput);
  return input;
}

function stepInputs(graph: GraphBuilder, model: ModelSpec, step: Step): StepInputs {
  const T = step.tokens;
  let valueWidth = 0;
  const sizes = (): Record<"full" | "window", Set<number>> => ({ full: new Set(), window: new Set() });
  const heads = { keys: sizes(), values: sizes() };
  const { positions } = GRAPH_TRAITS[model.family];
  for (const layer of model.layers) {
    for (const mixer of layer.mixers) {
      if (mixer.kind === "state") continue;
      if (mixer.kind === "latent") continue;
      valueWidth = Math.max(valueWidth, mixer.kvHeads * mixer.headDimV);
      const kind = mixer.window === null ? "full" : "window";
      heads.keys[kind].add(mixer.headDimK);
      heads.values[kind].add(mixer.headDimV);
    }
  }
  const both = <N>(make: (kind: "full" | "window") => N): ((kind: "full" | "window") => N) => {
    const made = { full: make("full"), window: make("window") };
    return (kind) => made[kind];
  };
  const rotation = (type: KvType, row: number | null): GraphNode | null =>
    isQuantized(type) && row !== null ? graph.input("rotation", 4, [row, row]) : null;
  const stateRows = graph.input("state rows", 4, [step.sequences]);
  return {
    unscaled: GRAPH_TRAITS[model.family].unscaled,
    tokens: graph.input("tokens", 4, [T]),
    tokensAgain: graph.input("tokens", 4, [T]),
    embeddings: graph.input("embeddings", 4, [(1 + imageLayers(model)) * model.embeddingLength, T]),
    positions: graph.input("positions", 4, [T * positions]),
    queryScale: GRAPH_TRAITS[model.family].queryScaled ? graph.input("query scale", 4, [1, 1, T]) : null,
    outputIds: graph.input("output ids", 4, [step.outputs]),
    ownRows: graph.view(stateRows),
    otherRows: graph.view(stateRows, sizeOf(4, [0])),
    indexer: indexerInputs(graph, model, T),
    decay: decayInputs(graph, model, step),
    blocks: blockInputs(graph, model, step),
    carried: carriedInputs(graph, model, step) ?? firstValues(graph, model, step),
    mask: both((kind) => graph.input("mask", step.flashAttention ? 2 : 4, [kind, T])),
    tokenMask: both(() => graph.input("mask", step.flashAttention ? 2 : 4, [T, T])),
    keyRows: both(() => graph.input("key rows", 8, [T])),
    valueRows: both(() => graph.input("value rows", 8, [step.flashAttention ? T : T * valueWidth])),
    keyRotation: both((kind) => rotation(step.kvTypeK, turnedRow(heads.keys[kind]))),
    valueRotation: both((kind) => rotation(step.kvTypeV, turnedRow(heads.values[kind]) === null ? null : 64)),
    ropeFactors: ropeFactors(graph, model),
  };
}

function indexerInputs(graph: GraphBuilder, model: ModelSpec, tokens: number): IndexerInputs | null {
  const indexer = model.layers.flatMap(({ sideCaches }) => sideCaches)[0];
  if (indexer === undefined || indexer.blockCells > 1) return null;
  return {
    mask: graph.input("indexer mask", 2, ["full", tokens]),
    keyRows: graph.input("indexer key rows", 8, [tokens]),
    rotation: graph.input("indexer rotation", 4, [indexer.elementsPerCell, indexer.elementsPerCell]),
    chosen: indexer.chosen,
  };
}

function ropeFactors(graph: GraphBuilder, model: ModelSpec): readonly GraphNode[] {
  const tensor = model.outside.find((t) => t.name === "rope_freqs.weight" || t.name === "rope_factors_long.weight");
  graph.phase = "attention";
  return tensor === undefined ? [] : [graph.weight(tensor.name, tensor, "layer")];
}

/**
 * Elements of a head that are rotated together, where a cache's heads are of one size and that a multiple of 64: the largest
 * power of two in it; else null.
 * @source src/llama-kv-cache.cpp attn_rot_k, build_input_k_rot at llama.cpp v0.5.0
 */
function turnedRow(sizes: ReadonlySet<number>): number | null {
  const [size = 0] = sizes;
  return sizes.size === 1 && size > 0 && size % 64 === 0 ? size & -size : null;
}
