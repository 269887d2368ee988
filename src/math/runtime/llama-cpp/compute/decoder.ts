/**
 * The whole graph of one step: embedding, layers, head.
 * @source src/llama-graph.cpp build_inp_embd, build_inp_out_ids and src/models/*.cpp at llama.cpp v0.5.0
 */

import { isQuantized } from "../../../ggml-types.ts";
import type { ModelSpec } from "../../../model.ts";
import type { KvType } from "../../../options.ts";
import { HOST, type Placement } from "../types.ts";
import { attention, latentAttention } from "./attention.ts";
import { dense, experts } from "./feed-forward.ts";
import { GraphBuilder, type GraphNode, sizeOf } from "./graph.ts";
import { gatedDelta, mamba2 } from "./state.ts";
import { LayerContext, type Source, type Step, type StepInputs, weightNode } from "./step.ts";
import { GRAPH_TRAITS, type GraphTraits } from "./traits.ts";

/**
 * @param chosen indexes of the layers to build, in order; the last of the model's layers has to be the last of them
 */
export function buildGraph(
  model: ModelSpec,
  step: Step,
  placement: Placement,
  chosen: readonly number[],
): GraphBuilder {
  const graph = new GraphBuilder();
  const traits = GRAPH_TRAITS[model.family];
  const { embeddingLength: E, vocabularySize } = model;
  const outside = new Map(model.outside.map((t) => [t.name, t]));
  const inputs = stepInputs(graph, model, step);
  const twoCaches = model.layers.some((l) => l.mixers.some((m) => "window" in m && m.window !== null));

  const table = weightNode(graph, "token_embd.weight", outside.get("token_embd.weight") ?? null, HOST);
  let current = graph.node("embedding", "get-rows", [E, step.tokens], [table, graph.input("tokens", 4, [step.tokens])]);
  graph.expand(current);
  // The step may be given embeddings instead: their place is kept, though nothing reads it.
  graph.expand(graph.input("embeddings", 4, [E, step.tokens]));
  if (traits.embeddingScaled) current = graph.node("embedding scaled", "in-place", [E, step.tokens], [current]);

  for (const index of chosen) {
    const layer = model.layers[index];
    if (layer === undefined) continue;
    const home = placement.layerDevice[index] ?? HOST;
    const at = new LayerContext(graph, step, inputs, layer, home, placement.expertsOnHost[index] === 1 ? HOST : home);
    const last = index === model.layers.length - 1;
    const build = traits.parallel ? parallelLayer : sequentialLayer;
    current = build(at, E, current, traits, last, twoCaches);
  }

  graph.phase = "logits";
  const home = placement.outputDevice;
  const head = outside.get("output.weight") ?? outside.get("token_embd.weight") ?? null;
  const norm = weightNode(graph, "output_norm.weight", outside.get("output_norm.weight") ?? null, home);
  const headWeight = weightNode(graph, "output.weight", head, home);
  let rows = step.outputs;
  if (traits.outputsAt === "norm") rows = step.tokens;
  if (traits.outputsAt === "end") current = pick(at0(graph, inputs), E, { ...current, output: true }, step.outputs);
  const normed = graph.node("output norm", traits.layerNorm ? "op" : "in-place", [E, rows], [current]);
  let result = graph.node("output normed", "in-place", [E, rows], [normed, norm], { output: true });
  if (traits.outputsAt === "norm") {
    result = graph.node("output picked", "get-rows", [E, step.outputs], [result, inputs.outputIds], { output: true });
  }
  graph.expand(graph.node("logits", "matmul", [vocabularySize, step.outputs], [headWeight, result], { output: true }));
  return graph;
}

interface Picking {
  readonly graph: GraphBuilder;
  readonly inputs: StepInputs;
}

function at0(graph: GraphBuilder, inputs: StepInputs): Picking {
  return { graph, inputs };
}

function pick({ graph, inputs }: Picking, width: number, from: Source, rows: number): GraphNode {
  return graph.node("picked", "get-rows", [width, rows], [from, inputs.outputIds]);
}

type LayerBuilder = (
  at: LayerContext,
  width: number,
  input: GraphNode,
  traits: GraphTraits,
  last: boolean,
  twoCaches: boolean,
) => GraphNode;

const sequentialLayer: LayerBuilder = (at, E, input, traits, last, twoCaches) => {
  const { step } = at;
  const makeNorm = (): GraphNode => at.norm("attn_norm", input, [E, step.tokens]);
  let mixed = mix(at, E, makeNorm, traits, twoCaches);
  let residual: Source = input;
  let rows = step.tokens;
  if (last && traits.outputsAt === "attention") {
    mixed = pick(at, E, mixed, step.outputs);
    residual = pick(at, E, residual, step.outputs);
    rows = step.outputs;
  }
  const ownNorm = hasNorm(at, "ffn_norm");
  if (ownNorm && hasNorm(at, "post_attention_norm")) mixed = at.norm("post_attention_norm", mixed, [E, rows]);
  let sum = at.op("attention residual", "in-place", [E, rows], [mixed, residual]);
  if (last && traits.outputsAt === "sum") {
    rows = step.outputs;
    sum = pick(at, E, sum, rows);
  }
  if (at.layer.feedForward.kind === "none") return sum;
  let out = feedForward(at, E, at.norm(ownNorm ? "ffn_norm" : "post_attention_norm", sum, [E, rows]), rows, traits);
  if (hasNorm(at, "post_ffw_norm")) {
    const normed = at.graph.node("norm", "in-place", [E, rows], [out], {
      tiedTo: traits.freePostNorm ? null : at.layer.index,
    });
    out = at.op("feed-forward normed", "in-place", [E, rows], [normed, at.weight("post_ffw_norm.weight")]);
  }
  return at.op("layer out", "in-place", [E, rows], traits.residualFirst ? [sum, out] : [out, sum]);
};

const parallelLayer: LayerBuilder = (at, E, input, traits, last, twoCaches) => {
  const { step } = at;
  const norm = at.norm("attn_norm", input, [E, step.tokens], traits.layerNorm ? "op" : "in-place");
  let mixed = mix(at, E, () => norm, traits, twoCaches);
  let normed = norm;
  let residual = input;
  let rows = step.tokens;
  if (last) {
    rows = step.outputs;
    mixed = pick(at, E, mixed, rows);
    residual = pick(at, E, residual, rows);
    normed = pick(at, E, normed, rows);
  }
  const sum = at.op(
    "feed-forward residual",
    "in-place",
    [E, rows],
    [feedForward(at, E, normed, rows, traits), residual],
  );
  return at.op("layer out", "in-place", [E, rows], [sum, mixed]);
};

function hasNorm(at: LayerContext, name: string): boolean {
  return at.has(name) || at.has(`${name}.weight`);
}

function mix(at: LayerContext, E: number, makeNorm: () => GraphNode, traits: GraphTraits, twoCaches: boolean): Source {
  let out: Source | null = null;
  let norm: GraphNode | null = null;
  for (const mixer of at.layer.mixers) {
    let part: Source;
    at.graph.phase = mixer.kind === "state" ? "state" : "attention";
    if (mixer.kind === "state" && mixer.algorithm !== "gated-delta") {
      part = mamba2(at, mixer, E, makeNorm);
    } else {
      norm = makeNorm();
      if (traits.normFirst) at.graph.expand(norm);
      if (mixer.kind === "state") part = gatedDelta(at, mixer, E, norm, { repeated: traits.deltaRepeated });
      else {
        const attended =
          mixer.kind === "latent" ? latentAttention(at, mixer, norm) : attention(at, mixer, norm, { twoCaches });
        part = at.matmul("attn_output", E, attended);
      }
    }
    out = out === null ? part : at.op("mixers together", "in-place", [E, at.step.tokens], [out, part]);
  }
  return out ?? makeNorm();
}

function feedForward(at: LayerContext, E: number, input: GraphNode, rows: number, traits: GraphTraits): GraphNode {
  const block = at.layer.feedForward;
  at.graph.phase = "feed-forward";
  if (block.kind === "dense") return dense(at, E, block, input, rows);
  if (block.kind === "moe") return experts(at, E, block, input, rows, traits.experts);
  return input;
}

function stepInputs(graph: GraphBuilder, model: ModelSpec, step: Step): StepInputs {
  const T = step.tokens;
  let valueWidth = 0;
  let headDimK = 0;
  let headDimV = 0;
  let positions = 1;
  for (const layer of model.layers) {
    for (const mixer of layer.mixers) {
      if (mixer.kind === "state") continue;
      if (mixer.kind === "latent") continue;
      valueWidth = Math.max(valueWidth, mixer.kvHeads * mixer.headDimV);
      headDimK = mixer.headDimK;
      headDimV = mixer.headDimV;
      if (mixer.gated && model.family === "qwen3.5") positions = 4;
    }
  }
  const both = <N>(make: (kind: "full" | "window") => N): ((kind: "full" | "window") => N) => {
    const made = { full: make("full"), window: make("window") };
    return (kind) => made[kind];
  };
  const rotation = (type: KvType, row: number | null) => () =>
    isQuantized(type) && row !== null ? graph.input("rotation", 4, [row, row]) : null;
  const stateRows = graph.input("state rows", 4, [step.sequences]);
  return {
    positions: graph.input("positions", 4, [T * positions]),
    outputIds: graph.input("output ids", 4, [step.outputs]),
    ropeFactors: ropeFactors(graph, model),
    ownRows: graph.view(stateRows),
    otherRows: graph.view(stateRows, sizeOf(4, [0])),
    mask: both((kind) => graph.input("mask", step.flashAttention ? 2 : 4, [kind, T])),
    keyRows: both(() => graph.input("key rows", 8, [T])),
    valueRows: both(() => graph.input("value rows", 8, [step.flashAttention ? T : T * valueWidth])),
    keyRotation: both(rotation(step.kvTypeK, headDimK % 64 === 0 && headDimK > 0 ? lowestPower(headDimK) : null)),
    valueRotation: both(rotation(step.kvTypeV, headDimV % 64 === 0 && headDimV > 0 ? 64 : null)),
  };
}

function ropeFactors(graph: GraphBuilder, model: ModelSpec): StepInputs["ropeFactors"] {
  const tensor = model.outside.find((t) => t.name === "rope_freqs.weight" || t.name === "rope_factors_long.weight");
  if (tensor === undefined) return () => [];
  const byHome = new Map<number, readonly GraphNode[]>();
  return (home) => {
    const made = byHome.get(home) ?? [weightNode(graph, tensor.name, tensor, home)];
    byHome.set(home, made);
    return made;
  };
}

/** The largest power of two that divides n. */
function lowestPower(n: number): number {
  return n & -n;
}
