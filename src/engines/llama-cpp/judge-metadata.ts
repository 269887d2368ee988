/**
 * The part of a header that memory depends on, with the types llama.cpp insists on. The tokenizer is replaced by a count: a
 * real vocabulary costs llama.cpp hundreds of milliseconds and can make it abort, and no buffer depends on more than its length.
 *
 * A header as the door hands it over has no types any more. A number with a fraction is f32, a whole one is f32 under the keys
 * that llama.cpp reads as float and u32 elsewhere; arrays of whole numbers are i32, which llama.cpp takes for u32 as well. A
 * wrong guess can't go unseen: the loader then refuses the key by name. tests/differential holds it to every dump's own types.
 * @source llama.cpp src/llama-model.cpp load_hparams, src/llama-model-loader.cpp get_key@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
import type { GgufHeader, MetadataValue } from "../../math/arch/family.ts";
import type { MetadataPair, MetadataScalar, MetadataType } from "./protocol.ts";

const FLOAT_KEY =
  /(epsilon|eps|freq_base\w*|freq_scale\w*|scaling\.(factor|attn_factor)|ext_factor|beta_fast|beta_slow|log_multiplier|scale|softcapping|clamp_kqv|max_alibi_bias|swiglu_clamp\w*|sinkhorn_eps)$/;
const TOKENS = "tokenizer.ggml.tokens";
/** Rows of an encoder's table. */
const TOKEN_TYPES = "tokenizer.ggml.token_type_count";
/** Names, the tokenizer, how it was quantized and split: no buffer depends on them. */
const WITHOUT_MEMORY = /^(general|tokenizer|quantize|split)\./;

export type JudgeMetadata =
  | { readonly status: "ok"; readonly pairs: readonly MetadataPair[] }
  /** An array that llama.cpp would read was not kept: it would answer for another model. */
  | { readonly status: "incomplete"; readonly missing: readonly string[] };

export function judgeMetadata(header: GgufHeader): JudgeMetadata {
  const missing = [...header.arrayLengths.keys()].filter((key) => !WITHOUT_MEMORY.test(key));
  if (missing.length > 0) return { status: "incomplete", missing };
  const sizeKey = `${header.architecture}.vocab_size`;
  const tokens = vocabularyLength(header);
  const pairs: MetadataPair[] = [{ key: "general.architecture", type: "str", value: header.architecture }];
  for (const [key, value] of header.metadata) {
    if ((WITHOUT_MEMORY.test(key) && key !== TOKEN_TYPES) || (key === sizeKey && tokens !== null)) continue;
    pairs.push({ key, type: metadataType(key, value), value: forJson(value) });
  }
  pairs.push({ key: "tokenizer.ggml.model", type: "str", value: "no_vocab" });
  if (tokens !== null) pairs.push({ key: sizeKey, type: "u32", value: tokens });
  return { status: "ok", pairs };
}

/** JSON has no infinity: it travels as a word (protocol.ts). */
function forJson(value: MetadataValue): MetadataPair["value"] {
  return typeof value === "object" ? value.map(finiteOrWord) : finiteOrWord(value);
}

function finiteOrWord(value: MetadataScalar): MetadataScalar {
  if (typeof value !== "number" || Number.isFinite(value)) return value;
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

/** null: the header holds no tokens, and its own vocab_size stands. */
function vocabularyLength(header: GgufHeader): number | null {
  const kept = header.metadata.get(TOKENS);
  if (typeof kept === "object") return kept.length;
  return header.arrayLengths.get(TOKENS) ?? null;
}

export function metadataType(key: string, value: MetadataValue): MetadataType {
  const isArray = typeof value === "object";
  const values: readonly (string | number | boolean)[] = isArray ? value : [value];
  const [first] = values;
  if (typeof first === "string") return "str";
  if (typeof first === "boolean") return "bool";
  if (FLOAT_KEY.test(key) || values.some((n) => !Number.isInteger(n))) return "f32";
  return isArray ? "i32" : "u32";
}
