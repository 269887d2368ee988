/**
 * Softmax attention as llama.cpp builds it.
 * @source src/llama-graph.cpp build_qkv, build_attn; src/models/qwen35.cpp; src/llama-kv-cache.cpp cpy_k, cpy_v at v0.5.0
 */
import type { AttentionMixer } from "../../../model.ts";
import { attendBlocks, type BlockChoice, chooseBlocks } from "./chosen-blocks.ts";
import { type GraphNode, rootOf, type Source, stridedSize } from "./graph.ts";
import { type Projections, unpacked } from "./latent-attention.ts";
import { cacheView, scores } from "./scores.ts";
import type { LayerContext } from "./step.ts";

export interface AttentionTraits {
  /** The model has two caches, one for its windows: keys go into the graph before values. */
  readonly twoCaches: boolean;
  /** The heads of Q and K are normed after they are turned (hunyuan). */
  readonly normAfterRope: boolean;
  /** Gemma 3n and 4: values are normed, layers may read another's cache, rope factors are for layers without a window. */
  readonly valuesNormed: boolean;
}

/** null: the layer reads another one's. */
interface Attended {
  readonly query: Source;
  readonly key: Source | null;
  readonly value: Source | null;
}

/** Q, K, V of the layer, ready for the cache; the attention's output before the output matrix. */
export function attention(at: LayerContext, mixer: AttentionMixer, input: GraphNode, traits: AttentionTraits): Source {
  if (mixer.gated) return gatedAttention(at, mixer, input, traits);
  if (at.has("attn_kv_b.weight")) return attend(at, mixer, unpacked(at, mixer, input), traits);
  if (traits.valuesNormed) return attend(at, mixer, valuesNormed(at, mixer, input, traits), traits);
  const { query, key, value } = projections(at, mixer, input);
  const parts = {
    query: scaledQuery(at, mixer, positioned(at, mixer.heads, mixer, "attn_q_norm", query, traits)),
    key: positioned(at, mixer.kvHeads, mixer, "attn_k_norm", key, traits),
    value,
  };
  const out = attend(at, mixer, parts, traits, chooseBlocks(at, input));
  return at.has("attn_gate.weight") ? gatedApart(at, mixer, input, out) : out;
}

/** Without a matrix of their own, values are the keys, before those are turned. */
function valuesNormed(at: LayerContext, mixer: AttentionMixer, input: GraphNode, traits: AttentionTraits): Attended {
  const { graph, step } = at;
  const { heads, kvHeads, headDimK, headDimV } = mixer;
  const query = positioned(
    at,
    heads,
    mixer,
    "attn_q_norm",
    graph.view(at.matmul("attn_q", heads * headDimK, input)),
    traits,
  );
  if (at.layer.kvSharedWith !== null) return { query, key: null, value: null };
  const keys = at.matmul("attn_k", kvHeads * headDimK, input);
  const values = at.has("attn_v.weight") ? at.matmul("attn_v", kvHeads * headDimV, input) : keys;
  const value = at.op("values normed", "in-place", [headDimV, kvHeads, step.tokens], [graph.view(values)]);
  return { query, key: positioned(at, kvHeads, mixer, "attn_k_norm", graph.view(keys), traits), value };
}

/** A gate with a matrix of its own: of the output's width (afmoe), or one number for each head (step 3.5). */
function gatedApart(at: LayerContext, mixer: AttentionMixer, input: GraphNode, out: Source): Source {
  const width = mixer.heads * mixer.headDimV;
  const rows = at.elements("attn_gate.weight", 1);
  const gate = at.op("gate sigmoid", "in-place", [rows, at.step.tokens], [at.matmul("attn_gate", rows, input)]);
  const extents = rows === width ? [width, at.step.tokens] : [mixer.headDimV, mixer.heads, at.step.tokens];
  return at.op("gated attention", "in-place", extents, [out, gate]);
}

function projections(at: LayerContext, mixer: AttentionMixer, input: GraphNode): Projections {
  const q = mixer.heads * mixer.headDimK;
  const k = mixer.kvHeads * mixer.headDimK;
  const v = mixer.kvHeads * mixer.headDimV;
  const { graph } = at;
  if (at.has("attn_qkv.weight")) {
    // bailing MoE 2 has as many rows for queries as it is wide.
    const width = Math.max(q + k + v, at.elements("attn_qkv.weight", 1));
    const fused = at.matmul("attn_qkv", width, input);
    const part = (length: number): Source => graph.view(fused, stridedSize(4, at.step.tokens, width, length));
    return { query: part(q), key: part(k), value: part(v) };
  }
  return {
    query: graph.view(at.matmul("attn_q", q, input)),
    key: graph.view(at.matmul("attn_k", k, input)),
    value: graph.view(at.matmul("attn_v", v, input)),
  };
}

/** Norm of each head or of all together, where the layer has one, and the rotary embedding, likewise; most turn last. */
function positioned(
  at: LayerContext,
  heads: number,
  mixer: AttentionMixer,
  norm: string,
  input: Source,
  traits: AttentionTraits,
): Source {
  const { tokens } = at.step;
  const extents = [mixer.headDimK, heads, tokens];
  const factors = traits.valuesNormed && mixer.window !== null ? [] : at.inputs.ropeFactors;
  const turn = (from: Source): Source =>
    mixer.rotary ? at.op("rope", "rope", extents, [from, at.inputs.positions, ...factors]) : from;
  if (!at.has(`${norm}.weight`)) return turn(input);
  if (traits.normAfterRope) return at.norm(norm, turn(input), extents);
  const together = at.elements(`${norm}.weight`, 0) > mixer.headDimK;
  if (!together) return turn(at.norm(norm, input, extents));
  return turn(at.graph.reshape(at.norm(norm, rootOf(input), [mixer.headDimK * heads, tokens]), extents));
}

function scaledQuery(at: LayerContext, mixer: AttentionMixer, query: Source): Source {
  const { queryScale } = at.inputs;
  if (queryScale === null || mixer.rotary) return query;
  return at.op("query scaled", "in-place", [mixer.headDimK, mixer.heads, at.step.tokens], [query, queryScale]);
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
    query: positioned(at, mixer.heads, mixer, "attn_q_norm", graph.view(full), traits),
    key: positioned(at, mixer.kvHeads, mixer, "attn_k_norm", graph.view(key), traits),
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

function attend(
  at: LayerContext,
  mixer: AttentionMixer,
  parts: Attended,
  traits: AttentionTraits,
  blocks: BlockChoice | null = null,
): Source {
  const { graph, step, inputs } = at;
  const cells: "full" | "window" = mixer.window === null ? "full" : "window";
  const keyRotation = inputs.keyRotation(cells);
  const valueRotation = inputs.valueRotation(cells);
  const k = mixer.kvHeads * mixer.headDimK;
  const v = mixer.kvHeads * mixer.headDimV;
  const q = mixer.heads * mixer.headDimK;
  // What comes out of a fused matrix lies between the rest of it: to be rotated it is put together first, values also
  // without flash attention. Turning or norming puts queries and keys together as well.
  const scattered = !mixer.gated && at.has("attn_qkv.weight");
  const untouched = scattered && !mixer.rotary && !at.has("attn_q_norm.weight");
  const gathered = (name: string, width: number, from: Source): Source =>
    untouched && keyRotation !== null ? at.op(`${name} together`, "op", [width, step.tokens], [from]) : from;
  const query = rotated(at, keyRotation, gathered("query", q, parts.query), q);
  graph.expand(query);
  const keyCache = at.cache("cache k");
  const valueCache = at.cache("cache v");
  if (parts.key !== null && parts.value !== null) {
    const given = parts.value;
    const key = rotated(at, keyRotation, gathered("key", k, parts.key), k);
    const together = (): GraphNode => at.op("values together", "op", [v, step.tokens], [given]);
    const value = rotated(at, valueRotation, scattered && valueRotation !== null ? together() : given, v);
    const keysFirst = traits.twoCaches || blocks !== null;
    graph.expand(keysFirst ? key : value);
    graph.expand(keysFirst ? value : key);
    at.store("store k", [graph.view(key), inputs.keyRows(cells), keyCache]);
    const stored = scattered && valueRotation === null && !step.flashAttention ? together() : graph.view(value);
    at.store("store v", [stored, inputs.valueRows(cells), valueCache]);
  }

  const sinks = at.has("attn_sinks.weight") ? [at.weight("attn_sinks.weight")] : [];
  const attended = {
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
  };
  const out =
    blocks === null
      ? scores(at, { ...attended, cells, sinks, unpack: null, mask: null })
      : attendBlocks(at, blocks, attended);
  return rotated(at, valueRotation, out, mixer.heads * mixer.headDimV);
}
