/**
 * The state's half of a layer of rwkv 7. The first layer's values are needed to the end.
 * @source src/models/rwkv7-base.cpp build_rwkv7_time_mix at llama.cpp v0.5.0
 */
import type { ModelSpec, StateMixer } from "../../../model.ts";
import type { GraphBuilder } from "./builder.ts";
import { type GraphNode, type Source, sizeOf } from "./graph.ts";
import { groupNormed } from "./rwkv6.ts";
import { gathered } from "./state.ts";
import type { CarriedInputs, LayerContext, Step } from "./step.ts";

/** What the first layer's values are called, there and where later layers read them. */
const FIRST_VALUES = "time_mix_value of the first layer";

/** Stand for the first layer's values in later ones. */
export function firstValues(graph: GraphBuilder, model: ModelSpec, step: Step): CarriedInputs | null {
  const carries = model.layers.some(({ mixers }) => mixers.some((m) => m.kind === "state" && m.algorithm === "rwkv7"));
  if (!carries) return null;
  const extents = [model.embeddingLength, step.tokens];
  return { rows: graph.input("embedding", 4, extents), parts: graph.input(FIRST_VALUES, 4, extents) };
}

export function timeMix7(
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
  const gated = at.has("time_mix_g1.weight");
  const all = [width, T / S, S, gated ? 6 : 5];
  const difference = at.op("difference", "in-place", [width, T / S, S], [shifted, norm]);
  const repeated = at.op("difference repeated", "op", all, [difference]);
  const lerped = at.op("lerp", "in-place", all, [repeated, at.weight("time_mix_lerp_fused.weight")]);
  const mixed = at.op("lerp mixed", "in-place", all, [lerped, norm]);
  const part = (): Source => graph.view(mixed, sizeOf(4, flat));
  const low = (name: string): GraphNode =>
    at.matmul(`time_mix_${name}1`, at.elements(`time_mix_${name}1.weight`, 1), part());
  const high = (name: string, from: Source): GraphNode => at.matmul(`time_mix_${name}2`, width, from);
  const inPlace = (name: string, ...sources: Source[]): GraphNode => at.op(name, "in-place", flat, sources);

  const receptance = at.matmul("time_mix_receptance", width, part());
  const decaySmall = low("w");
  const decay = inPlace(
    "decay",
    high("w", at.op("decay tanh", "in-place", decaySmall.extents, [decaySmall])),
    at.weight("time_mix_w0.weight"),
  );
  const key = at.matmul("time_mix_key", width, part());
  const value = values(at, width, part, low, high);
  const gateSmall = gated ? low("g") : null;
  const gate = gateSmall === null ? null : high("g", at.op("gate sigmoid", "in-place", gateSmall.extents, [gateSmall]));
  const rate = inPlace("rate", high("a", low("a")), at.weight("time_mix_a0.weight"));

  const heads = [mixer.stateSize, mixer.heads, T];
  const direction = at.op("direction", "op", heads, [
    graph.view(inPlace("keys weighted", key, at.weight("time_mix_k_k.weight"))),
  ]);
  const learned = inPlace("keys learned", key, at.weight("time_mix_k_a.weight"));
  const changed = inPlace("keys changed", key, inPlace("change", inPlace("rate learned", rate, learned), learned));
  const [r, w, k, v, a] = [receptance, decay, changed, value, rate].map((node) => graph.view(node));
  if (r === undefined || w === undefined || k === undefined || v === undefined || a === undefined) return norm;
  const state = gathered(at, "state", mixer.stateElements);
  const negative = at.op("direction negative", "in-place", heads, [direction]);
  const rated = at.op("direction rated", "in-place", heads, [direction, a]);
  const scan = at.op("wkv", "op", [width, T + mixer.stateSize * S], [r, w, k, v, negative, rated, state]);
  at.store("state stored", [graph.view(scan, sizeOf(4, [mixer.stateElements, S]))]);

  const normed: Source = at.has("time_mix_ln.weight")
    ? groupNormed(at, mixer, width, scan)
    : graph.view(scan, sizeOf(4, flat));
  const product = at.op("keys and receptance", "in-place", heads, [k, r]);
  const weighted = at.op("keys and receptance weighted", "in-place", heads, [
    product,
    graph.view(at.weight("time_mix_r_k.weight")),
  ]);
  const sum = at.op("keys and receptance summed", "op", [1, mixer.heads, T], [weighted]);
  const bonus = at.op("values weighted", "in-place", heads, [v, sum]);
  let out: Source = inPlace("wkv and values", normed, graph.view(bonus));
  if (gate !== null) out = inPlace("gated", out, gate);
  return at.matmul("time_mix_output", width, out);
}

function values(
  at: LayerContext,
  width: number,
  part: () => Source,
  low: (name: string) => GraphNode,
  high: (name: string, from: Source) => GraphNode,
): GraphNode {
  const flat = [width, at.step.tokens];
  if (at.layer.index === 0) return at.op(FIRST_VALUES, "matmul", flat, [at.weight("time_mix_value.weight"), part()]);
  const own = at.matmul("time_mix_value", width, part());
  const first = at.inputs.carried?.parts ?? null;
  if (first === null) return own;
  const from = at.op("from the first values", "in-place", flat, [first, own]);
  const shareBiased = at.op("share", "in-place", flat, [high("v", low("v")), at.weight("time_mix_v0.weight")]);
  return at.op("values joined", "in-place", flat, [
    own,
    at.op("share of the first", "in-place", flat, [from, shareBiased]),
  ]);
}
