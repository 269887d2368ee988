/**
 * A layer of an encoder as llama.cpp builds it: attention over the step's own tokens, without a cache, and norms behind
 * what they norm.
 * @source src/models/bert.cpp; src/llama-graph.cpp build_attn_inp_no_cache, build_attn, build_attn_mha at llama.cpp v0.5.0
 */
import type { AttentionMixer } from "../../../model.ts";
import { dense, type ExpertTraits, experts } from "./feed-forward.ts";
import { type GraphNode, type Source, stridedSize } from "./graph.ts";
import type { LayerContext } from "./step.ts";

/** @param last the rows that are asked for are picked before the residual is added */
export function encoderLayer(
  at: LayerContext,
  width: number,
  input: GraphNode,
  traits: { readonly experts: ExpertTraits },
  last: boolean,
): GraphNode {
  const { graph, step, inputs } = at;
  const [mixer] = at.layer.mixers;
  if (mixer === undefined || mixer.kind === "state" || mixer.kind === "latent") return input;
  const whole = at.has("token_embd_norm.weight") ? at.norm("token_embd_norm", input, [width, step.tokens]) : input;
  let mixed: Source = at.matmul("attn_output", width, encoderAttention(at, mixer, whole));
  let residual: Source = whole;
  let rows = step.tokens;
  if (last) {
    rows = step.outputs;
    mixed = graph.node("picked", "get-rows", [width, rows], [mixed, inputs.outputIds]);
    residual = graph.node("picked", "get-rows", [width, rows], [residual, inputs.outputIds]);
  }
  const shape = [width, rows];
  let sum = at.norm("attn_output_norm", at.op("attention residual", "in-place", shape, [mixed, residual]), shape);
  if (at.has("attn_norm_2.weight")) {
    sum = at.norm("attn_norm_2", at.op("attention residual", "in-place", shape, [sum, residual]), shape);
  }
  graph.phase = "feed-forward";
  const out = at.op("layer out", "in-place", shape, [feedForward(at, width, sum, rows, traits), sum]);
  return at.norm("layer_output_norm", out, shape);
}

function feedForward(
  at: LayerContext,
  width: number,
  input: GraphNode,
  rows: number,
  traits: { readonly experts: ExpertTraits },
): GraphNode {
  const block = at.layer.feedForward;
  if (block.kind === "dense") return dense(at, width, block, input, rows);
  return block.kind === "moe" ? experts(at, width, block, input, rows, traits.experts, input) : input;
}

function encoderAttention(at: LayerContext, mixer: AttentionMixer, input: GraphNode): Source {
  const { graph, step, inputs } = at;
  const T = step.tokens;
  const k = mixer.kvHeads * mixer.headDimK;
  const v = mixer.kvHeads * mixer.headDimV;
  const parts = projections(at, mixer, input);
  const placed = (name: string, heads: number, from: Source): Source => {
    const together = [mixer.headDimK * heads, T];
    const normed = at.has(`${name}.weight`) ? graph.view(at.norm(name, from, together)) : from;
    return mixer.rotary ? at.op("rope", "rope", [mixer.headDimK, heads, T], [normed, inputs.positions]) : normed;
  };
  const query = placed("attn_q_norm", mixer.heads, parts.query);
  const key = placed("attn_k_norm", mixer.kvHeads, parts.key);
  graph.expand(query);
  graph.expand(key);
  graph.expand(parts.value);
  const mask = inputs.tokenMask(mixer.window === null ? "full" : "window");
  const width = mixer.heads * mixer.headDimV;
  let out: Source;
  if (step.flashAttention) {
    const keys = graph.node("keys as f16", "op", [k, T], [graph.view(key)], { elementBytes: 2 });
    const values = graph.node("values as f16", "op", [v, T], [graph.view(parts.value)], { elementBytes: 2 });
    const sources = [graph.view(query), keys, values, mask];
    out = graph.reshape(at.op("attention", "attention", [mixer.headDimV, mixer.heads, T], sources), [width, T]);
  } else {
    const shape = [T, T, mixer.heads];
    const raw = at.op("scores", "matmul", shape, [graph.view(key), graph.view(query)]);
    const soft = at.op("scores softmax", "in-place", shape, [raw, mask]);
    const turned = at.op("values turned", "op", [T, v], [graph.view(parts.value)]);
    const weighted = at.op("weighted values", "matmul", [mixer.headDimV, T, mixer.heads], [turned, soft]);
    out = at.op("heads together", "op", [width, T], [graph.view(weighted)]);
  }
  graph.expand(out);
  return out;
}

interface Parts {
  readonly query: Source;
  readonly key: Source;
  readonly value: Source;
}

function projections(at: LayerContext, mixer: AttentionMixer, input: GraphNode): Parts {
  const { graph, step } = at;
  const q = mixer.heads * mixer.headDimK;
  const k = mixer.kvHeads * mixer.headDimK;
  const v = mixer.kvHeads * mixer.headDimV;
  if (!at.has("attn_qkv.weight")) {
    return {
      query: graph.view(at.matmul("attn_q", q, input)),
      key: graph.view(at.matmul("attn_k", k, input)),
      value: graph.view(at.matmul("attn_v", v, input)),
    };
  }
  const fused = at.matmul("attn_qkv", q + k + v, input);
  const part = (length: number): Source => graph.view(fused, stridedSize(4, step.tokens, q + k + v, length));
  return { query: part(q), key: part(k), value: part(v) };
}
