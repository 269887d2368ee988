/**
 * Latent attention as llama.cpp builds it: with one cached row a token, or unpacked as older files want it.
 * @source src/models/deepseek2.cpp at llama.cpp v0.5.0
 */
import { GGML_TYPES } from "../../../ggml-types.ts";
import type { AttentionMixer, LatentMixer } from "../../../model.ts";
import { chooseCells, maskChosen } from "./chosen-cells.ts";
import { type GraphNode, type GraphView, type Source, stridedSize } from "./graph.ts";
import { cacheView, scores } from "./scores.ts";
import type { LayerContext } from "./step.ts";

export interface Projections {
  readonly query: Source;
  readonly key: Source;
  readonly value: Source;
}

/** The queries of latent attention, through a small space of their own where the model has one. */
function latentQueries(at: LayerContext, width: number, rank: number, input: GraphNode): GraphView {
  const small = compressedQueries(at, rank, input);
  return at.graph.view(small === null ? at.matmul("attn_q", width, input) : at.matmul("attn_q_b", width, small));
}

function compressedQueries(at: LayerContext, rank: number, input: GraphNode): GraphNode | null {
  if (!at.has("attn_q_a.weight")) return null;
  return at.norm("attn_q_a_norm", at.matmul("attn_q_a", rank, input), [rank, at.step.tokens]);
}

/** Latent attention of an older converter's file: one matrix unpacks keys and values of all heads, which are cached whole. */
export function unpacked(
  at: LayerContext,
  { heads, headDimK, headDimV }: AttentionMixer,
  input: GraphNode,
): Projections {
  const { graph, step, inputs } = at;
  const rows = heads * step.tokens;
  const latent = at.elements("attn_kv_a_norm.weight", 0);
  const ropeDim = at.elements("attn_kv_a_mqa.weight", 1) - latent;
  const nopeDim = headDimK - ropeDim;
  const all = latentQueries(at, heads * headDimK, at.elements("attn_q_a.weight", 1), input);
  const query = at.op("query", "rope", [headDimK, heads, step.tokens], [all, inputs.positions, ...inputs.ropeFactors]);
  const packed = graph.view(at.matmul("attn_kv_a_mqa", latent + ropeDim, input));
  const keyTurned = at.op(
    "key rope",
    "rope",
    [ropeDim, 1, step.tokens],
    [packed, inputs.positions, ...inputs.ropeFactors],
  );
  const normed = at.norm("attn_kv_a_norm", packed, [latent, step.tokens]);
  const both = at.matmul("attn_kv_b", heads * (nopeDim + headDimV), normed);
  const part = (length: number): Source => graph.view(both, stridedSize(4, rows, nopeDim + headDimV, length));
  const value = at.op("value", "op", [headDimV, heads, step.tokens], [part(headDimV)]);
  const repeated = at.op("key rope repeated", "op", [ropeDim, heads, step.tokens], [keyTurned]);
  const key = at.op("key", "op", [headDimK, heads, step.tokens], [part(nopeDim), repeated]);
  return { query, key, value };
}

/** Latent attention: queries are brought into the latent space, one row per token is cached. */
export function latentAttention(at: LayerContext, mixer: LatentMixer, input: GraphNode): Source {
  const { graph, step, inputs } = at;
  const { heads, kvLoraRank, ropeDim, nopeDim, valueDim } = mixer;
  const row = kvLoraRank + ropeDim;
  const [indexer = null] = at.layer.sideCaches;
  const small = compressedQueries(at, mixer.qLoraRank ?? 0, input);
  const chosen = indexer === null || small === null ? null : chooseCells(at, indexer, small, input);
  const width = heads * (nopeDim + ropeDim);
  const q = graph.view(small === null ? at.matmul("attn_q", width, input) : at.matmul("attn_q_b", width, small));
  const absorbed = at.matmul("attn_k_b", kvLoraRank, q, [step.tokens, heads]);
  const turn = (name: string, count: number, from: GraphView): Source =>
    mixer.unturned === true
      ? graph.view(from)
      : at.op(name, "rope", [ropeDim, count, step.tokens], [from, inputs.positions]);
  const turned = turn("query rope", heads, q);
  const query = at.op("query", "op", [row, heads, step.tokens], [graph.view(absorbed), turned]);

  const packed = graph.view(at.matmul("attn_kv_a_mqa", row, input));
  const keyTurned = turn("key rope", 1, packed);
  const latent = graph.view(at.norm("attn_kv_a_norm", packed, [kvLoraRank, step.tokens]));
  const key = at.op("key", "op", [row, 1, step.tokens], [latent, keyTurned]);

  graph.expand(query);
  graph.expand(latent);
  graph.expand(key);
  const cache = at.cache("cache k");
  at.store("store k", [graph.view(key), inputs.keyRows("full"), cache]);
  const rows = cacheView(at, row, "full", step.kvTypeK);
  const cached = graph.view(cache, rows, { type: step.kvTypeK, elements: row });
  // The values are the front of each row: all but the end of the last one.
  const { blockBytes, blockElements } = GGML_TYPES[step.kvTypeK];
  const values = { ...rows, fixed: (-ropeDim * blockBytes) / blockElements };
  const value = step.flashAttention
    ? graph.view(cache, values)
    : graph.node("values turned", "op", ["full", kvLoraRank], [graph.view(cache, values)], {
        size: cacheView(at, kvLoraRank, "full", step.kvTypeK),
      });
  return scores(at, {
    query: graph.view(query),
    key: cached,
    value,
    keyWidth: row,
    valueWidth: 0,
    heads,
    width: kvLoraRank,
    cells: "full",
    sinks: [],
    unpack: { weight: at.weight("attn_v_b.weight"), width: valueDim },
    mask: maskChosen(at, chosen),
  });
}
