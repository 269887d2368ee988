/**
 * Softmax attention as llama.cpp builds it.
 * @source src/llama-graph.cpp build_qkv, build_attn, build_attn_mha; src/models/deepseek2.cpp, qwen35.cpp; src/llama-kv-cache.cpp cpy_k, cpy_v, get_k, get_v at v0.5.0
 */

import { GGML_TYPES } from "../../../ggml-types.ts";
import type { AttentionMixer, LatentMixer } from "../../../model.ts";
import { type Extent, type GraphNode, type GraphView, type Size, type Source, sizeOf, stridedSize } from "./graph.ts";
import type { LayerContext } from "./step.ts";

export interface AttentionTraits {
  /** The model has two caches, one for its windows: keys go into the graph before values. */
  readonly twoCaches: boolean;
}

interface Projections {
  readonly query: Source;
  readonly key: Source;
  readonly value: Source;
}

/** Q, K, V of the layer, ready for the cache; the attention's output before the output matrix. */
export function attention(at: LayerContext, mixer: AttentionMixer, input: GraphNode, traits: AttentionTraits): Source {
  if (mixer.gated) return gatedAttention(at, mixer, input, traits);
  if (at.has("attn_kv_b.weight")) return attend(at, mixer, unpacked(at, mixer, input), traits);
  const { query, key, value } = projections(at, mixer, input);
  const parts = {
    query: positioned(at, mixer.heads, mixer, "attn_q_norm", query),
    key: positioned(at, mixer.kvHeads, mixer, "attn_k_norm", key),
    value,
  };
  return attend(at, mixer, parts, traits);
}

function projections(at: LayerContext, mixer: AttentionMixer, input: GraphNode): Projections {
  const q = mixer.heads * mixer.headDimK;
  const k = mixer.kvHeads * mixer.headDimK;
  const v = mixer.kvHeads * mixer.headDimV;
  const { graph } = at;
  if (at.has("attn_qkv.weight")) {
    const fused = at.matmul("attn_qkv", q + k + v, input);
    const part = (length: number): Source => graph.view(fused, stridedSize(4, at.step.tokens, q + k + v, length));
    return { query: part(q), key: part(k), value: part(v) };
  }
  return {
    query: graph.view(at.matmul("attn_q", q, input)),
    key: graph.view(at.matmul("attn_k", k, input)),
    value: graph.view(at.matmul("attn_v", v, input)),
  };
}

/** Norm of each head, where the layer has one, and the rotary embedding, likewise. */
function positioned(at: LayerContext, heads: number, mixer: AttentionMixer, norm: string, input: Source): Source {
  const extents = [mixer.headDimK, heads, at.step.tokens];
  const normed = at.has(`${norm}.weight`) ? at.norm(norm, input, extents) : input;
  if (!mixer.rotary) return normed;
  return at.op("rope", "rope", extents, [normed, at.inputs.positions, ...at.inputs.ropeFactors]);
}

/** One matrix gives query and gate; the gate waits until attention is done. */
function gatedAttention(at: LayerContext, mixer: AttentionMixer, input: GraphNode, traits: AttentionTraits): Source {
  const { graph, step } = at;
  const q = mixer.heads * mixer.headDimK;
  const k = mixer.kvHeads * mixer.headDimK;
  const v = mixer.kvHeads * mixer.headDimV;
  let full: GraphNode;
  let key: GraphNode;
  let value: GraphNode;
  if (at.has("attn_qkv.weight")) {
    const fused = graph.view(at.matmul("attn_qkv", 2 * q + k + v, input));
    full = at.op("query and gate", "op", [2 * q, step.tokens], [fused]);
    key = at.op("key", "op", [k, step.tokens], [fused]);
    value = at.op("value", "op", [v, step.tokens], [fused]);
  } else {
    full = at.matmul("attn_q", 2 * q, input);
    key = at.matmul("attn_k", k, input);
    value = at.matmul("attn_v", v, input);
  }
  const parts = {
    query: positioned(at, mixer.heads, mixer, "attn_q_norm", graph.view(full)),
    key: positioned(at, mixer.kvHeads, mixer, "attn_k_norm", graph.view(key)),
    value: graph.view(value),
  };
  const out = attend(at, mixer, parts, traits);
  const gate = at.op("gate", "op", [q, step.tokens], [graph.view(full)]);
  const open = at.op("gate sigmoid", "in-place", [q, step.tokens], [gate]);
  return at.op("gated attention", "in-place", [q, step.tokens], [out, open]);
}

/** Hadamard rotation of what goes into a quantized cache. */
function rotated(at: LayerContext, rotation: GraphNode | null, input: Source, width: number): Source {
  if (rotation === null) return input;
  const [row = 1] = rotation.extents;
  const rows = typeof row === "number" ? (width * at.step.tokens) / row : 1;
  return at.graph.view(at.op("rotated", "matmul", [row, rows], [rotation, at.graph.view(input)]));
}

function attend(at: LayerContext, mixer: AttentionMixer, parts: Projections, traits: AttentionTraits): Source {
  const { graph, step, inputs } = at;
  const cells: "full" | "window" = mixer.window === null ? "full" : "window";
  const keyRotation = inputs.keyRotation(cells);
  const valueRotation = inputs.valueRotation(cells);
  const k = mixer.kvHeads * mixer.headDimK;
  const v = mixer.kvHeads * mixer.headDimV;
  const query = rotated(at, keyRotation, parts.query, mixer.heads * mixer.headDimK);
  const key = rotated(at, keyRotation, parts.key, k);
  // Values out of a fused matrix lie between keys and queries: without flash attention, or to be rotated, they are put
  // together first.
  const scattered = !mixer.gated && at.has("attn_qkv.weight");
  const together = (): GraphNode => at.op("values together", "op", [v, step.tokens], [parts.value]);
  const value = rotated(at, valueRotation, scattered && valueRotation !== null ? together() : parts.value, v);

  graph.expand(query);
  graph.expand(traits.twoCaches ? key : value);
  graph.expand(traits.twoCaches ? value : key);
  const keyCache = at.cache("cache k");
  const valueCache = at.cache("cache v");
  at.store("store k", [graph.view(key), inputs.keyRows(cells), keyCache]);
  const stored = scattered && valueRotation === null && !step.flashAttention ? together() : graph.view(value);
  at.store("store v", [stored, inputs.valueRows(cells), valueCache]);

  const sinks = at.has("attn_sinks.weight") ? [at.weight("attn_sinks.weight")] : [];
  const out = scores(at, {
    query: graph.view(query),
    key: graph.view(keyCache, cacheView(at, k, cells, step.kvTypeK), { type: step.kvTypeK, elements: mixer.headDimK }),
    value: graph.view(valueCache, cacheView(at, v, cells, step.kvTypeV), {
      type: step.kvTypeV,
      elements: mixer.headDimV,
    }),
    keyWidth: k,
    valueWidth: v,
    heads: mixer.heads,
    width: mixer.headDimV,
    cells,
    sinks,
    unpack: null,
  });
  return rotated(at, valueRotation, out, mixer.heads * mixer.headDimV);
}

/** All cells of all streams, as a copy of the cache on another device would have them. */
function cacheView(at: LayerContext, width: number, cells: Extent, type: keyof typeof GGML_TYPES): Size {
  const { blockBytes, blockElements } = GGML_TYPES[type];
  return sizeOf(blockBytes / blockElements, [width, cells, at.step.streams]);
}

interface Scores {
  readonly query: Source;
  readonly key: Source;
  readonly value: Source;
  /** Elements of all heads in one cell; values 0: they are a part of the keys. */
  readonly keyWidth: number;
  readonly valueWidth: number;
  readonly heads: number;
  /** Elements of one head of the values. */
  readonly width: number;
  readonly cells: "full" | "window";
  readonly sinks: readonly GraphNode[];
  /** Latent attention: unpacks the values of each head. */
  readonly unpack: { readonly weight: GraphNode; readonly width: number } | null;
}

function scores(at: LayerContext, parts: Scores): Source {
  const { graph, step, inputs } = at;
  const { query, key, value, keyWidth, valueWidth, heads, width, cells, sinks, unpack } = parts;
  const each = step.tokens / step.streams;
  const mask = inputs.mask(cells);
  let out: Source;
  if (step.flashAttention) {
    const keys = step.kvTypeK === "F32" ? asF16(at, "keys as f16", keyWidth, cells, key) : key;
    const valueType = valueWidth === 0 ? step.kvTypeK : step.kvTypeV;
    const valueElements = valueWidth === 0 ? width : valueWidth;
    const values = valueType === "F32" ? asF16(at, "values as f16", valueElements, cells, value) : value;
    const sources = [query, keys, values, mask, ...sinks];
    const attended = at.op("attention", "attention", [width, heads, each, step.streams], sources, {
      kind: "attention",
      keyType: step.kvTypeK,
      valueType: step.kvTypeV,
      keyWidth,
      valueWidth,
      cells,
      streams: step.streams,
      tokens: each,
      heads,
      headWidth: width,
    });
    out = graph.reshape(attended, [width * heads, step.tokens]);
    if (unpack !== null) {
      const unpacked = at.op("values unpacked", "matmul", [unpack.width, step.tokens, heads], [unpack.weight, out]);
      out = graph.view(at.op("heads together", "op", [unpack.width * heads, step.tokens], [graph.view(unpacked)]));
    }
  } else {
    const shape: Extent[] = [cells, each, heads, step.streams];
    const raw = at.op("scores", "matmul", shape, [key, query]);
    const soft = at.op("scores softmax", "in-place", shape, [raw, mask, ...sinks]);
    let weighted = at.op("weighted values", "matmul", [width, each, heads, step.streams], [value, soft]);
    if (unpack !== null) {
      weighted = at.op(
        "values unpacked",
        "matmul",
        [unpack.width, each, heads, step.streams],
        [unpack.weight, weighted],
      );
    }
    out = at.op("heads together", "op", [(unpack?.width ?? width) * heads, step.tokens], [graph.view(weighted)]);
  }
  graph.expand(out);
  return out;
}

/** Flash attention takes no f32: llama.cpp casts the whole cache of the layer first, in every step. */
function asF16(at: LayerContext, name: string, width: number, cells: "full" | "window", cache: Source): GraphNode {
  return at.graph.node(name, "op", [width, cells, at.step.streams], [cache], { elementBytes: 2 });
}

/** The queries of latent attention, through a small space of their own where the model has one. */
function latentQueries(at: LayerContext, width: number, rank: number, input: GraphNode): GraphView {
  const { graph, step } = at;
  if (!at.has("attn_q_a.weight")) return graph.view(at.matmul("attn_q", width, input));
  const small = at.norm("attn_q_a_norm", at.matmul("attn_q_a", rank, input), [rank, step.tokens]);
  return graph.view(at.matmul("attn_q_b", width, small));
}

/** Latent attention of an older converter's file: one matrix unpacks keys and values of all heads, which are cached whole. */
function unpacked(at: LayerContext, { heads, headDimK, headDimV }: AttentionMixer, input: GraphNode): Projections {
  const { graph, step, inputs } = at;
  const rows = heads * step.tokens;
  const latent = at.elements("attn_kv_a_norm.weight", 0);
  const ropeDim = at.elements("attn_kv_a_mqa.weight", 1) - latent;
  const nopeDim = headDimK - ropeDim;
  const all = latentQueries(at, heads * headDimK, at.elements("attn_q_a.weight", 1), input);
  const query = at.op("query", "rope", [headDimK, heads, step.tokens], [all, inputs.positions]);
  const packed = graph.view(at.matmul("attn_kv_a_mqa", latent + ropeDim, input));
  const keyTurned = at.op("key rope", "rope", [ropeDim, 1, step.tokens], [packed, inputs.positions]);
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
  const q = latentQueries(at, heads * (nopeDim + ropeDim), mixer.qLoraRank ?? 0, input);
  const absorbed = at.matmul("attn_k_b", kvLoraRank, q, [step.tokens, heads]);
  const turned = at.op("query rope", "rope", [ropeDim, heads, step.tokens], [q, inputs.positions]);
  const query = at.op("query", "op", [row, heads, step.tokens], [graph.view(absorbed), turned]);

  const packed = graph.view(at.matmul("attn_kv_a_mqa", row, input));
  const keyTurned = at.op("key rope", "rope", [ropeDim, 1, step.tokens], [packed, inputs.positions]);
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
  });
}
