/**
 * A layer of rwkv as llama.cpp builds it: the token before is mixed in, first into the state's projections, then into the
 * feed-forward block, or into an ordinary one where a transformer's attention was replaced.
 * @source src/models/rwkv6-base.cpp, rwkv6.cpp, rwkv6qwen2.cpp, rwkv7-base.cpp, rwkv7.cpp, arwkv7.cpp; src/llama-graph.cpp build_rwkv_token_shift_load, _store at llama.cpp v0.5.0
 */
import type { StateMixer } from "../../../model.ts";
import { dense } from "./feed-forward.ts";
import { type GraphNode, type Source, sizeOf } from "./graph.ts";
import { timeMix6 } from "./rwkv6.ts";
import { timeMix7 } from "./rwkv7.ts";
import { gathered } from "./state.ts";
import type { LayerContext } from "./step.ts";

export function rwkvLayer(at: LayerContext, width: number, input: GraphNode, _: unknown, last: boolean): GraphNode {
  const [mixer] = at.layer.mixers;
  if (mixer === undefined || mixer.kind !== "state") return input;
  const { graph, step } = at;
  const S = step.sequences;
  const each = step.tokens / S;
  const shape = [width, each, S];
  graph.phase = "state";
  const normed = at.has("token_embd_norm.weight") ? at.norm("token_embd_norm", input, [width, step.tokens]) : input;
  // One view for both readers: on another device it is one copy.
  const whole = graph.view(normed);
  const shift = gathered(at, "token shift", mixer.convElements);
  const before = (): Source => graph.view(shift, sizeOf(4, [width, S]));
  const norm = at.norm("attn_norm", whole, shape);
  const lateTokens = (from: GraphNode): Source => graph.view(from, sizeOf(4, [width, each - 1, S]));
  const shifted = at.op("tokens before", "op", shape, [before(), lateTokens(norm)]);
  const mixed = timeMix(at, mixer, width, norm, shifted);
  if (at.has("ffn_norm.weight")) {
    at.store("token shift stored", [graph.view(norm, sizeOf(4, [width, S]))]);
    const sum = at.op("attention residual", "in-place", shape, [graph.view(mixed), whole]);
    return ordinary(at, width, sum, last);
  }
  const sum = at.op("attention residual", "in-place", shape, [graph.view(mixed), whole]);
  const second = at.norm("attn_norm_2", sum, shape);
  const again = at.op("tokens before again", "op", shape, [before(), lateTokens(second)]);
  const ends = [norm, second].map((node) => graph.view(node, sizeOf(4, [width, S])));
  at.store("token shift stored", [graph.view(at.op("last tokens", "op", [width, 2, S], ends))]);
  return channelMix(at, width, { sum, norm: second, before: again }, last);
}

function timeMix(at: LayerContext, mixer: StateMixer, width: number, norm: GraphNode, shifted: GraphNode): GraphNode {
  return mixer.algorithm === "rwkv6"
    ? timeMix6(at, mixer, width, norm, shifted)
    : timeMix7(at, mixer, width, norm, shifted);
}

function ordinary(at: LayerContext, width: number, sum: GraphNode, last: boolean): GraphNode {
  const { graph, step, inputs, layer } = at;
  let rows = step.tokens;
  let residual: Source = graph.view(sum);
  if (last) {
    rows = step.outputs;
    residual = graph.node("picked", "get-rows", [width, rows], [residual, inputs.outputIds]);
  }
  if (layer.feedForward.kind !== "dense") return sum;
  graph.phase = "feed-forward";
  const out = dense(at, width, layer.feedForward, at.norm("ffn_norm", residual, [width, rows]), rows);
  return at.op("layer out", "in-place", [width, rows], [out, residual]);
}

interface Halves {
  readonly sum: GraphNode;
  readonly norm: GraphNode;
  readonly before: GraphNode;
}

function channelMix(at: LayerContext, width: number, halves: Halves, last: boolean): GraphNode {
  const { graph, step, inputs } = at;
  const rows = last ? step.outputs : step.tokens;
  graph.phase = "feed-forward";
  const taken = (from: GraphNode): Source =>
    last ? graph.node("picked", "get-rows", [width, rows], [graph.view(from), inputs.outputIds]) : graph.view(from);
  const [sum, norm, before] = [taken(halves.sum), taken(halves.norm), taken(halves.before)];
  const shape = [width, rows];
  const difference = at.op("difference", "in-place", shape, [before, norm]);
  const mixed = (name: string): GraphNode =>
    at.op(`${name} mixed`, "in-place", shape, [
      at.op(name, "in-place", shape, [difference, at.weight(`${name}.weight`)]),
      norm,
    ]);
  const gated = at.has("channel_mix_receptance.weight");
  const keys = mixed("channel_mix_lerp_k");
  const inner = at.elements("channel_mix_key.weight", 1);
  const active = at.op("activation", "in-place", [inner, rows], [at.matmul("channel_mix_key", inner, keys, [rows])]);
  let out = at.matmul("channel_mix_value", width, active, [rows]);
  if (gated) {
    const receptance = at.matmul("channel_mix_receptance", width, mixed("channel_mix_lerp_r"), [rows]);
    const open = at.op("receptance open", "in-place", shape, [receptance]);
    out = at.op("gated", "in-place", shape, [open, out]);
  }
  return at.op("layer out", "in-place", shape, [out, sum]);
}
