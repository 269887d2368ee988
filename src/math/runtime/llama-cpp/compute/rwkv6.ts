/**
 * The state's half of a layer of rwkv 6.
 * @source src/models/rwkv6-base.cpp build_rwkv6_time_mix at llama.cpp v0.5.0
 */
import type { StateMixer } from "../../../model.ts";
import { type GraphNode, type Source, sizeOf } from "./graph.ts";
import { gathered } from "./state.ts";
import type { LayerContext } from "./step.ts";

export function timeMix6(
  at: LayerContext,
  mixer: StateMixer,
  width: number,
  norm: GraphNode,
  shifted: GraphNode,
): GraphNode {
  const { graph, step } = at;
  const T = step.tokens;
  const S = step.sequences;
  const flat = [width, T];
  const qwen = !at.has("time_mix_first.weight");
  const difference = at.op("difference", "in-place", [width, T / S, S], [shifted, norm]);
  const [sx, cur] = [graph.view(difference), graph.view(norm)];
  const first = at.op("mixed", "in-place", flat, [
    at.op("lerp x", "in-place", flat, [sx, at.weight("time_mix_lerp_x.weight")]),
    cur,
  ]);
  const rank = at.elements("time_mix_w1.weight", 1) / 5;
  const small = at.op("small tanh", "in-place", [5 * rank, T], [at.matmul("time_mix_w1", 5 * rank, first)]);
  const turned = at.op("small turned", "op", [rank, 1, T, 5], [graph.view(small)]);
  const five = [width, 1, T, 5];
  const large = at.op("time_mix_w2", "matmul", five, [graph.view(at.weight("time_mix_w2.weight")), turned]);
  const inputs = interpolated(at, width, large, sx, cur);

  const keyWidth = at.elements("time_mix_key.weight", 1);
  const receptance = at.matmul("time_mix_receptance", width, inputs("r"));
  let key: Source = at.matmul("time_mix_key", keyWidth, inputs("k"));
  let value: Source = at.matmul("time_mix_value", keyWidth, inputs("v"));
  const gate = at.op("gate", "in-place", flat, [at.matmul("time_mix_gate", width, inputs("g"))]);
  const heads = [mixer.stateSize, mixer.heads, T];
  if (keyWidth !== width) {
    key = at.op("keys repeated", "op", heads, [graph.view(key)]);
    value = at.op("values repeated", "op", heads, [graph.view(value)]);
  }
  const decayRank = at.elements("time_mix_decay_w1.weight", 1);
  const decaySmall = at.op(
    "decay tanh",
    "in-place",
    [decayRank, T],
    [at.matmul("time_mix_decay_w1", decayRank, inputs("w"))],
  );
  const decayed = at.op("decay", "in-place", flat, [
    at.matmul("time_mix_decay_w2", width, decaySmall),
    at.weight("time_mix_decay.weight"),
  ]);
  if (qwen)
    key = at.op("keys less decay", "in-place", heads, [
      graph.view(key),
      at.op("keys decayed", "in-place", heads, [graph.view(key), graph.view(decayed)]),
    ]);
  const state = gathered(at, "state", mixer.stateElements);
  const k = graph.view(key);
  const v = graph.view(value);
  const r = graph.view(receptance);
  const w = graph.view(decayed);
  const sources = qwen ? [k, v, r, w, state] : [k, v, r, at.weight("time_mix_first.weight"), w, state];
  const scan = at.op("wkv", "op", [width, T + mixer.stateSize * S], sources);
  at.store("state stored", [graph.view(scan, sizeOf(4, [mixer.stateElements, S]))]);
  const out = qwen ? graph.view(scan, sizeOf(4, flat)) : groupNormed(at, mixer, width, scan);
  return at.matmul("time_mix_output", width, at.op("gated", "in-place", flat, [out, gate]));
}

/** A norm of each head, then one weight and bias for all. */
export function groupNormed(at: LayerContext, mixer: StateMixer, width: number, scan: GraphNode): GraphNode {
  const { graph, step } = at;
  const flat = [width, step.tokens];
  const view = graph.view(scan, sizeOf(4, flat));
  const normed = at.op("group norm", "op", [mixer.stateSize, mixer.heads, step.tokens], [view]);
  const scaled = at.op("group norm scaled", "in-place", flat, [graph.view(normed), at.weight("time_mix_ln.weight")]);
  return at.op("group norm biased", "in-place", flat, [scaled, at.weight("time_mix_ln.bias")]);
}

function interpolated(
  at: LayerContext,
  width: number,
  large: GraphNode,
  sx: Source,
  cur: Source,
): (name: string) => Source {
  const { graph, step } = at;
  const flat = [width, step.tokens];
  const five = [width, 1, step.tokens, 5];
  if (at.has("time_mix_lerp_fused.weight")) {
    const lerped = at.op("lerp", "in-place", five, [large, at.weight("time_mix_lerp_fused.weight")]);
    const scaled = at.op("lerp scaled", "in-place", five, [lerped, sx]);
    const all = at.op("lerp mixed", "in-place", five, [scaled, cur]);
    return () => graph.view(all, sizeOf(4, flat));
  }
  const one = (name: string): GraphNode => {
    const lerped = at.op(`lerp ${name}`, "in-place", flat, [
      graph.view(large, sizeOf(4, flat)),
      at.weight(`time_mix_lerp_${name}.weight`),
    ]);
    const scaled = at.op(`lerp ${name} scaled`, "in-place", flat, [lerped, sx]);
    return at.op(`lerp ${name} mixed`, "in-place", flat, [scaled, cur]);
  };
  const made = new Map(["w", "k", "v", "r", "g"].map((name) => [name, one(name)]));
  return (name) => made.get(name) ?? large;
}
