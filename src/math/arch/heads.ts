/** Attention heads and their sizes, read from either description; per layer, since a GGUF may say so. */
import type { AttentionMixer } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import { type Fields, LIMITS, repeat } from "./fields.ts";

export interface Heads {
  readonly heads: readonly number[];
  readonly kvHeads: readonly number[];
  readonly headDimK: number;
  readonly headDimV: number;
}

/** kv heads default to heads, head_dim to hidden_size / heads, as transformers does. */
export function headsFromConfig(fields: Fields, decoder: Decoder): Heads {
  const heads = fields.int("num_attention_heads", LIMITS.heads);
  const kvHeads = fields.optionalInt("num_key_value_heads", LIMITS.heads) ?? heads;
  checkGroups(fields, heads, kvHeads, "num_attention_heads", "num_key_value_heads");
  const explicit = fields.optionalInt("head_dim", LIMITS.headDim);
  const headDim = explicit ?? evenShare(fields, decoder.embedding, heads, "hidden_size", "num_attention_heads");
  return {
    heads: repeat(heads, decoder.layerCount),
    kvHeads: repeat(kvHeads, decoder.layerCount),
    headDimK: headDim,
    headDimV: headDim,
  };
}

/** key_length and value_length default to embedding_length / head_count, head_count_kv to head_count, as llama.cpp does. */
export function headsFromGguf(fields: Fields, decoder: Decoder): Heads {
  const count = decoder.layerCount + decoder.mtpCount;
  const heads = fields.perLayer("attention.head_count", count, LIMITS.heads);
  const kvHeads = fields.optionalPerLayer("attention.head_count_kv", count, LIMITS.heads) ?? heads;
  for (let i = 0; i < count; i++) {
    const ok = checkGroups(fields, heads[i] ?? 1, kvHeads[i] ?? 1, "attention.head_count", "attention.head_count_kv");
    if (!ok) break;
  }
  const k = fields.optionalInt("attention.key_length", LIMITS.headDim);
  const v = fields.optionalInt("attention.value_length", LIMITS.headDim);
  const share = () => evenShare(fields, decoder.embedding, heads[0] ?? 1, "embedding_length", "attention.head_count");
  return { heads, kvHeads, headDimK: k ?? share(), headDimV: v ?? share() };
}

function checkGroups(fields: Fields, heads: number, kvHeads: number, headsKey: string, kvKey: string): boolean {
  if (fields.problems.length > 0 || heads % kvHeads === 0) return true;
  fields.refuse(`${headsKey} (${heads}) is not a multiple of ${kvKey} (${kvHeads})`);
  return false;
}

function evenShare(fields: Fields, whole: number, parts: number, wholeKey: string, partsKey: string): number {
  if (whole % parts === 0 || fields.problems.length > 0) return Math.max(1, Math.floor(whole / parts));
  fields.refuse(`${wholeKey} (${whole}) is not a multiple of ${partsKey} (${parts}) and no head size is given`);
  return 1;
}

/** The mixer of one layer; everything that a family does not say is the plain case. */
export function attention(heads: Heads, layer: number, traits: Partial<AttentionMixer> = {}): AttentionMixer {
  return {
    kind: "full",
    heads: heads.heads[layer] ?? 1,
    kvHeads: heads.kvHeads[layer] ?? 1,
    headDimK: heads.headDimK,
    headDimV: heads.headDimV,
    window: null,
    fusedQkv: false,
    scaledQuery: false,
    gated: false,
    rotary: true,
    cached: true,
    ...traits,
  };
}

/** A mixer that sees the last `window` tokens. */
export function sliding(
  heads: Heads,
  layer: number,
  window: number,
  traits: Partial<AttentionMixer> = {},
): AttentionMixer {
  return attention(heads, layer, { ...traits, kind: "sliding", window });
}
