/**
 * Sparse attention beside latent attention: an indexer scores all cells for each token, and a mask leaves the best of them.
 * How many are chosen is fixed here; a cache with fewer cells than that has all of its cells chosen, which is less.
 * @source src/models/deepseek32.cpp, glm-dsa.cpp; src/llama-graph.cpp build_attn (DSA) at llama.cpp v0.5.0
 */
import type { SideCache } from "../../../model.ts";
import type { GraphNode, Source } from "./graph.ts";
import { cacheView } from "./scores.ts";
import { type LayerContext, TIED } from "./step.ts";

/** The layer's own choice. @param queries the compressed queries, which the indexer's are made of */
export function chooseCells(at: LayerContext, indexer: SideCache, queries: GraphNode, input: GraphNode): Source | null {
  const { graph, step, inputs } = at;
  const { indexer: shared } = inputs;
  if (shared === null) return null;
  const { heads, elementsPerCell: dim, chosen } = indexer;
  const T = step.tokens;
  const turned = (name: string, from: Source, count: number): Source => {
    const shape = [dim, count, T];
    const rope = at.op(`${name} rope`, "rope", shape, [from, inputs.positions]);
    return graph.view(at.op(`${name} rotated`, "matmul", shape, [shared.rotation, rope]));
  };
  const query = turned("indexer query", graph.view(at.matmul("indexer.attn_q_b", heads * dim, queries)), heads);
  const normed = graph.node("indexer key norm", "op", [dim, T], [at.matmul("indexer.attn_k", dim, input)], TIED);
  const scaled = at.op("indexer key", "in-place", [dim, T], [normed, at.weight("indexer.k_norm.weight")]);
  const key = turned("indexer key", graph.view(at.biased("indexer.k_norm", scaled)), 1);
  const cache = at.cache("cache indexer");
  at.store("store indexer keys", [key, shared.keyRows, cache]);
  const projected = graph.view(at.matmul("indexer.proj", heads, input));
  const weights = at.op("indexer weights", "in-place", [heads, T], [projected]);
  const keys = graph.view(cache, cacheView(at, dim, "full", step.kvTypeK), { type: step.kvTypeK, elements: dim });
  const scores = at.op("indexer scores", "op", ["full", T], [query, keys, weights, shared.mask]);
  const best = at.op("best cells", "op", [chosen, T], [scores]);
  return graph.view(at.op("chosen cells", "op", [chosen, T], [best]));
}

/** The mask of the cells that were chosen; in a layer that chooses none itself, of those that an earlier one chose. */
export function maskChosen(at: LayerContext, chosen: Source | null): GraphNode | null {
  const { graph, step, inputs } = at;
  const { indexer } = inputs;
  if (indexer === null) return null;
  const mask = inputs.mask("full");
  const half = { elementBytes: step.flashAttention ? 2 : 4 };
  const zeros = graph.node("zeros", "op", [indexer.chosen, step.tokens], [chosen ?? mask]);
  const filled = graph.node("mask filled", "op", ["full", step.tokens], [mask], half);
  const cells = ["full", step.tokens] as const;
  const sources = [zeros, ...(chosen === null ? [] : [chosen]), filled];
  const opened = graph.node("mask opened", "in-place", cells, sources, half);
  return graph.node("mask of the chosen", "in-place", cells, [opened, mask], half);
}
