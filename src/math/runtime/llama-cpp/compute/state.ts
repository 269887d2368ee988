/**
 * Recurrent mixers as llama.cpp builds them.
 * @source src/llama-graph.cpp build_rs; src/models/mamba-base.cpp, delta-net-base.cpp, qwen3next.cpp, qwen35.cpp at v0.5.0
 */
import type { StateMixer } from "../../../model.ts";
import { type GraphNode, type GraphView, type Source, sizeOf, stridedSize } from "./graph.ts";
import type { LayerContext } from "./step.ts";

/** Reads the rows of a state that this step's sequences own; `read` makes the node that takes them up. */
export function states(
  at: LayerContext,
  name: string,
  elements: number,
  read: (rows: Source, ids: Source) => GraphNode,
): GraphNode {
  const { graph, step, inputs } = at;
  const rows = graph.view(at.cache(name), sizeOf(4, [elements, step.sequences]));
  at.store(`${name} cleared`, [rows]);
  const taken = read(rows, inputs.ownRows);
  graph.expand(taken);
  const rest = at.op(`${name} rest`, "get-rows", [elements, 0], [rows, inputs.otherRows]);
  at.store(`${name} rest stored`, [rest]);
  return taken;
}

export function gathered(at: LayerContext, name: string, elements: number): GraphNode {
  return states(at, name, elements, (rows, ids) =>
    at.op(`${name} gathered`, "get-rows", [elements, at.step.sequences], [rows, ids]),
  );
}

/** The short convolution's past before this step's channels; what it will need next time is stored at once. */
export function convolutionInput(
  at: LayerContext,
  mixer: StateMixer,
  past: GraphNode,
  channels: number,
  input: Source,
): GraphNode {
  const { graph, step } = at;
  const each = step.tokens / step.sequences;
  const joined = at.op(
    "convolution input",
    "op",
    [mixer.convKernel - 1 + each, channels, step.sequences],
    [graph.view(past), input],
  );
  const kept = stridedSize(4, channels * step.sequences, mixer.convKernel - 1 + each, mixer.convKernel - 1);
  at.store("convolution state stored", [graph.view(joined, kept)]);
  return joined;
}

export function mamba2(at: LayerContext, mixer: StateMixer, width: number, makeInput: () => GraphNode): Source {
  const { graph, step } = at;
  const { innerSize: inner, stateSize, heads, groups } = mixer;
  const each = step.tokens / step.sequences;
  const S = step.sequences;
  const channels = inner + 2 * groups * stateSize;
  const past = gathered(at, "convolution state", mixer.convElements);
  const all = at.matmul("ssm_in", inner + channels + heads, makeInput());
  const slice = (length: number): GraphView =>
    graph.view(all, stridedSize(4, step.tokens, inner + channels + heads, length));
  const joined = convolutionInput(at, mixer, past, channels, slice(channels));

  const part = (root: GraphNode, length: number): GraphView =>
    graph.view(root, stridedSize(4, step.tokens, channels, length));
  let x: GraphView | null = null;
  const scan = states(at, "state", mixer.stateElements, (rows, ids) => {
    const convolved = at.biased(
      "ssm_conv1d",
      at.op("convolution", "op", [channels, each, S], [joined, at.weight("ssm_conv1d.weight")]),
    );
    const mixed = at.op("convolution silu", "in-place", [channels, each, S], [convolved]);
    x = part(mixed, inner);
    const b = part(mixed, groups * stateSize);
    const c = part(mixed, groups * stateSize);
    const step0 = at.op("time step", "op", [heads, each, S], [slice(heads)]);
    const time = at.op("time step biased", "in-place", [heads, each, S], [step0, at.weight("ssm_dt.bias")]);
    const size = sizeOf(4, [inner * step.tokens + mixer.stateElements * S]);
    return graph.node(
      "scan",
      "op",
      [inner * step.tokens + mixer.stateElements * S],
      [rows, x, time, at.weight("ssm_a"), b, c, ids],
      { size },
    );
  });
  at.store("state stored", [graph.view(scan, sizeOf(4, [mixer.stateElements, S]))]);

  const shape = [inner / heads, heads, each, S];
  const gate = at.op("gate", "op", shape, [slice(inner)]);
  const skip = at.op("skip", "in-place", shape, [x ?? graph.view(scan), at.weight("ssm_d")]);
  const sum = at.op("scan and skip", "in-place", shape, [graph.reshape(scan, shape), skip]);
  let out: Source = at.op("gated scan", "op", shape, [gate, sum]);
  if (at.has("ssm_norm.weight")) out = at.norm("ssm_norm", graph.view(out), [inner / groups, groups, each, S]);
  return at.matmul("ssm_out", width, graph.view(out));
}

export interface DeltaTraits {
  /** The query and key heads are repeated for the value heads that share them, and one matrix gives both gates. */
  readonly repeated: boolean;
}

export function gatedDelta(
  at: LayerContext,
  mixer: StateMixer,
  width: number,
  input: GraphNode,
  traits: DeltaTraits,
): Source {
  const { graph, step } = at;
  const { innerSize: inner, stateSize: dim, heads, groups } = mixer;
  const each = step.tokens / step.sequences;
  const S = step.sequences;
  const channels = inner + 2 * groups * dim;
  const past = gathered(at, "convolution state", mixer.convElements);
  const mixedIn = graph.view(at.matmul("attn_qkv", channels, input));
  const joined = convolutionInput(at, mixer, past, channels, mixedIn);
  const state = graph.view(gathered(at, "state", mixer.stateElements));
  const convolved = at.op("convolution", "op", [channels, each, S], [joined, at.weight("ssm_conv1d.weight")]);
  const silu = graph.view(at.op("convolution silu", "in-place", [channels, each, S], [convolved]));

  const normed = (name: string): Source => {
    const shape = [dim, groups, each, S];
    const scaled = at.op(`${name} scaled`, "in-place", shape, [at.op(`${name} norm`, "in-place", shape, [silu])]);
    if (!traits.repeated || groups === heads) return scaled;
    return graph.view(
      at.op(`${name} repeated`, "op", [dim, heads / groups, groups, step.tokens], [graph.view(scaled)]),
    );
  };
  const query = normed("query");
  const key = normed("key");
  const { decay, beta } = traits.repeated ? gatesTogether(at, heads, input) : gatesApart(at, heads, input);
  const size = sizeOf(4, [inner, step.tokens + dim * S]);
  const net = graph.node("delta net", "op", [inner, step.tokens + dim * S], [query, key, silu, decay, beta, state], {
    size,
  });
  at.store("state stored", [graph.view(net, sizeOf(4, [mixer.stateElements, S]))]);

  const shape = [dim, heads, each, S];
  const norm = at.norm("ssm_norm", graph.view(net, sizeOf(4, [inner, step.tokens])), shape);
  const gate = at.op("gate silu", "in-place", shape, [graph.view(at.matmul("attn_gate", inner, input))]);
  const out = at.op("gated delta net", "in-place", shape, [norm, gate]);
  return graph.view(at.matmul("ssm_out", width, graph.view(out), [each, S]));
}

interface Gates {
  readonly decay: Source;
  readonly beta: Source;
}

function decayOf(at: LayerContext, heads: number, input: Source): Source {
  const shape = [heads, at.step.tokens];
  const biased = at.op("decay biased", "in-place", shape, [input, at.weight("ssm_dt.bias")]);
  const soft = at.op("decay softplus", "in-place", shape, [biased]);
  return at.graph.view(at.op("decay", "in-place", shape, [soft, at.weight("ssm_a")]));
}

function gatesApart(at: LayerContext, heads: number, input: GraphNode): Gates {
  const decay = decayOf(at, heads, at.graph.view(at.matmul("ssm_alpha", heads, input)));
  const beta = at.graph.view(at.matmul("ssm_beta", heads, input));
  return { decay, beta: at.op("beta", "in-place", [1, heads, at.step.tokens], [beta]) };
}

function gatesTogether(at: LayerContext, heads: number, input: GraphNode): Gates {
  const both = at.graph.view(at.matmul("ssm_ba", 2 * heads, input));
  const shape = [heads, at.step.tokens];
  const decay = decayOf(at, heads, at.op("decay apart", "op", shape, [both]));
  const beta = at.op("beta apart", "op", shape, [both]);
  return { decay, beta: at.graph.view(at.op("beta", "in-place", shape, [beta])) };
}
