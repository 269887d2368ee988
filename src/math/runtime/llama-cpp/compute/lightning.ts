/**
 * Lightning attention: linear attention that forgets by a fixed rate for each head, whose state is one matrix a head.
 * Within a step each token sees the others through a square of weights, one for each head: the largest thing in the buffer.
 * @source src/models/minimax-01.cpp at llama.cpp v0.5.0
 */
import type { ModelSpec, StateMixer } from "../../../model.ts";
import type { GraphBuilder } from "./builder.ts";
import { type GraphNode, type Source, stridedSize } from "./graph.ts";
import { gathered } from "./state.ts";
import type { LayerContext, Step } from "./step.ts";

/** What the lightning layers of a step share: how much each token has forgotten of each other, and of the state. */
export interface DecayInputs {
  readonly slopes: GraphNode;
  readonly queries: GraphNode;
  readonly keys: GraphNode;
  readonly square: GraphNode;
}

export function decayInputs(graph: GraphBuilder, model: ModelSpec, step: Step): DecayInputs | null {
  const mixers = model.layers.flatMap((layer) => layer.mixers);
  const mixer = mixers.find((one) => one.kind === "state" && one.algorithm === "lightning");
  if (mixer === undefined) return null;
  const { heads } = mixer;
  const each = step.tokens / step.sequences;
  return {
    slopes: graph.input("slopes", 4, [heads]),
    queries: graph.input("query decay", 4, [1, heads, step.tokens]),
    keys: graph.input("key decay", 4, [1, heads, step.tokens]),
    square: graph.input("square decay", 4, [each, each, heads * step.sequences]),
  };
}

export function lightning(at: LayerContext, mixer: StateMixer, width: number, input: GraphNode): Source {
  const { graph, step } = at;
  const { decay } = at.inputs;
  if (decay === null) return input;
  const { heads, stateSize: dim, innerSize: inner, stateElements } = mixer;
  const { tokens: T, sequences: S } = step;
  const each = T / S;
  graph.expand(gathered(at, "convolution state", mixer.convElements));
  const slope = at.op("slopes scaled", "op", [heads], [decay.slopes]);
  const all = at.op("qkv silu", "in-place", [3 * inner, T], [at.matmul("attn_qkv", 3 * inner, graph.view(input))]);
  const part = (): Source => graph.view(all, stridedSize(4, heads * T, 3 * dim, dim));
  const state = gathered(at, "state", stateElements);
  const scaled = (name: string, from: GraphNode): GraphNode => {
    const first = at.op(`${name} scaled`, "op", from.extents, [from]);
    return at.op(`${name} exp`, "in-place", from.extents, [first]);
  };
  const heedful = [dim, heads, T];
  const squares = [each, each, heads * S];
  const queries = at.op("queries decayed", "op", heedful, [part(), scaled("query decay", decay.queries)]);
  const before = at.op("from the state", "matmul", [dim, each, heads * S], [graph.view(state), graph.view(queries)]);
  const scores = at.op("scores", "matmul", squares, [part(), part()]);
  const weighed = at.op("scores decayed", "in-place", squares, [scores, scaled("square decay", decay.square)]);
  const values = at.op("values turned", "op", heedful, [part()]);
  const within = at.op("within the step", "matmul", [dim, each, heads * S], [graph.view(values), weighed]);
  const sum = at.op("attended", "in-place", [dim, each, heads * S], [before, within]);
  graph.expand(sum);

  const block = at.op("block decay", "in-place", [heads], [at.op("slopes negated", "in-place", [heads], [slope])]);
  const old = at.op("state decayed", "in-place", [stateElements, S], [state, graph.view(block)]);
  const keys = at.op("keys decayed", "op", heedful, [part(), scaled("key decay", decay.keys)]);
  const turned = at.op("keys turned", "op", heedful, [graph.view(keys)]);
  const added = at.op("state added", "matmul", [stateElements, S], [graph.view(turned), graph.view(values)]);
  at.store("state stored", [at.op("state", "in-place", [stateElements, S], [old, added])]);

  const together = at.op("heads together", "op", [inner, T], [graph.view(sum)]);
  const normed = at.norm("attn_norm_2", together, [inner, T]);
  const gate = at.op("gate sigmoid", "in-place", [inner, T], [at.matmul("attn_gate", inner, graph.view(input))]);
  const gated = at.op("gated", "in-place", [inner, T], [gate, normed]);
  return graph.view(at.matmul("attn_output", width, gated));
}
