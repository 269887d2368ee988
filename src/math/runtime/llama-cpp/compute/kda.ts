/**
 * Kimi's delta attention as llama.cpp builds it: a convolution each for queries, keys and values, a decay for each channel.
 * @source src/models/kimi-linear.cpp; src/models/delta-net-base.cpp build_delta_net_fused at llama.cpp v0.5.0
 */
import type { StateMixer } from "../../../model.ts";
import { type GraphNode, type GraphView, type Source, sizeOf, stridedSize } from "./graph.ts";
import { gathered } from "./state.ts";
import type { LayerContext } from "./step.ts";

export function kimiDelta(at: LayerContext, mixer: StateMixer, width: number, norm: GraphNode): Source {
  const { graph, step } = at;
  const { innerSize: inner, stateSize: dim, heads } = mixer;
  const T = step.tokens;
  const S = step.sequences;
  const byHead = [dim, heads, T];
  const bySequence = [dim, heads, T / S, S];
  graph.expand(norm);
  const past = gathered(at, "convolution state", mixer.convElements);
  const convolved = ["q", "k", "v"].map((name) => convolution(at, mixer, past, name, norm));
  const [q, k, v] = convolved.map((node) => graph.view(node));
  if (q === undefined || k === undefined || v === undefined) return norm;

  const decayIn = at.matmul("ssm_f_b", inner, at.matmul("ssm_f_a", dim, norm));
  const biased = at.op("decay biased", "in-place", [inner, T], [decayIn, at.weight("ssm_dt.bias")]);
  const soft = at.op("decay softplus", "in-place", [inner, T], [biased]);
  const decay = at.op("decay", "in-place", byHead, [graph.view(soft), graph.view(at.weight("ssm_a"))]);
  const beta = at.op("beta", "in-place", [1, heads, T / S, S], [graph.view(at.matmul("ssm_beta", heads, norm))]);
  const state = gathered(at, "state", mixer.stateElements);
  const scaled = (name: string, from: Source): GraphNode =>
    at.op(`${name} scaled`, "in-place", bySequence, [at.op(`${name} norm`, "in-place", bySequence, [from])]);
  const query = scaled("query", q);
  const key = scaled("key", k);
  const sources = [query, key, v, graph.view(decay), beta, graph.view(state)];
  const net = at.op("delta net", "op", [inner, T + dim * S], sources);
  at.store("state stored", [graph.view(net, sizeOf(4, [mixer.stateElements, S]))]);

  const output = at.op("delta net apart", "op", bySequence, [graph.view(net, sizeOf(4, [inner, T]))]);
  const normed = at.norm("ssm_norm", graph.view(output), byHead);
  const gate = at.matmul("ssm_g_b", inner, at.matmul("ssm_g_a", dim, graph.view(norm)));
  const open = at.op("gate sigmoid", "in-place", byHead, [graph.view(gate)]);
  const gated = at.op("gated delta net", "in-place", byHead, [normed, open]);
  return at.matmul("attn_output", width, at.op("heads together", "op", [inner, T], [gated]));
}

function convolution(at: LayerContext, mixer: StateMixer, past: GraphNode, name: string, norm: GraphNode): GraphNode {
  const { graph, step } = at;
  const { innerSize: inner, convKernel } = mixer;
  const S = step.sequences;
  const each = step.tokens / S;
  const own = (convKernel - 1) * inner;
  const before: GraphView = graph.view(past, stridedSize(4, S, 3 * own, own));
  const input = graph.view(at.matmul(`attn_${name}`, inner, norm));
  const joined = at.op("convolution input", "op", [convKernel - 1 + each, inner, S], [before, input]);
  const kept = stridedSize(4, inner * S, convKernel - 1 + each, convKernel - 1);
  at.store("convolution state stored", [graph.view(joined, kept)]);
  const weight = graph.view(at.weight(`ssm_conv1d_${name}.weight`));
  const convolved = at.op("convolution", "op", [inner, each, S], [joined, weight]);
  return at.op("convolution silu", "in-place", [inner, step.tokens], [graph.view(convolved)]);
}
