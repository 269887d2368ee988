/** What every decoder says about itself, read from either description, and the tensors outside its layers. */

import type { TensorSpec } from "../model.ts";
import type { FamilyId } from "./families.ts";
import type { GgufHeader } from "./family.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { tensor } from "./tensors.ts";

/** The frame that a family fills with layers. */
export interface Decoder {
  readonly family: FamilyId;
  /** llama.cpp's general.architecture. */
  readonly architecture: string;
  readonly layerCount: number;
  /** Multi-token-prediction blocks that the file holds after the last layer. */
  readonly mtpCount: number;
  readonly embedding: number;
  readonly vocabulary: number;
  readonly context: number | null;
  /** No tensor `output.weight`: the head is the embedding again. */
  readonly tied: boolean;
  readonly nextn: NextnTraits;
}

/** Which of a multi-token-prediction block's optional tensors the file has. */
export interface NextnTraits {
  readonly embedTokens: boolean;
  readonly headNorm: boolean;
  readonly headHead: boolean;
}

const NO_TENSORS =
  "The tensor list is not at hand: names and shapes follow from the metadata, types from what is asked for, else BF16.";

const NO_NEXTN: NextnTraits = { embedTokens: false, headNorm: false, headHead: false };

/**
 * From config.json. Multi-token-prediction blocks are left out, as most published files leave them out. The vocabulary is
 * the config's: llama.cpp's converter pads or cuts the tokenizer to it for most models, so the header of a real file may
 * differ by its tokenizer's added tokens.
 * @param tiedByDefault what transformers' config class says when `tie_word_embeddings` is absent
 */
export function decoderFromConfig(
  fields: Fields,
  family: FamilyId,
  architecture: string,
  { tiedByDefault }: { readonly tiedByDefault: boolean },
): Decoder {
  const tied = fields.optionalBool("tie_word_embeddings") ?? tiedByDefault;
  return {
    family,
    architecture,
    layerCount: fields.int("num_hidden_layers", LIMITS.layers),
    mtpCount: 0,
    embedding: fields.int("hidden_size", LIMITS.width),
    vocabulary: fields.int("vocab_size", LIMITS.vocabulary),
    context: fields.optionalInt("max_position_embeddings", LIMITS.context),
    tied: tied || isHeadless(fields),
    nextn: NO_NEXTN,
  };
}

/** Classes with a head in spite of their names. */
const WITH_HEAD: ReadonlySet<string> = new Set(["ChatGLMModel", "DreamModel"]);

/** "Qwen2Model" rather than "Qwen2ForCausalLM": published without a head; llama.cpp then takes the embedding's. */
function isHeadless(fields: Fields): boolean {
  const first = fields.optionalList("architectures")?.[0];
  return typeof first === "string" && /(?<!LMHead)Model$/.test(first) && !WITH_HEAD.has(first);
}

/**
 * From GGUF metadata. block_count counts the multi-token-prediction blocks, nextn_predict_layers of them, too; a file may
 * announce them and hold none.
 * The vocabulary is the tokenizer's length, else `{arch}.vocab_size`, else the embedding's rows.
 * @source llama.cpp src/llama-model.cpp load_hparams, src/llama-vocab.cpp@v0.5.0
 */
export function decoderFromGguf(
  fields: Fields,
  header: GgufHeader,
  family: FamilyId,
  { tiedByDefault }: { readonly tiedByDefault: boolean },
): Decoder {
  const blocks = fields.int("block_count", LIMITS.layers);
  const announced = fields.optionalInt("nextn_predict_layers", orNone(LIMITS.layers)) ?? 0;
  if (announced >= blocks && announced > 0) {
    fields.refuse(`nextn_predict_layers is ${announced}: less than block_count (${blocks}) is wanted`);
  }
  const layerCount = Math.max(blocks - announced, 1);
  const mtpCount = lacks(header, `blk.${layerCount}.nextn.eh_proj.weight`) === true ? 0 : announced;
  const headless = lacks(header, "output.weight");
  if (headless === null) fields.warn(NO_TENSORS);
  return {
    family,
    architecture: header.architecture,
    layerCount,
    mtpCount,
    embedding: fields.int("embedding_length", LIMITS.width),
    vocabulary: ggufVocabulary(fields, header),
    context: fields.optionalInt("context_length", LIMITS.context),
    tied: headless ?? tiedByDefault,
    nextn: {
      embedTokens: lacks(header, `blk.${blocks - 1}.nextn.embed_tokens.weight`) === false,
      headNorm: lacks(header, `blk.${blocks - 1}.nextn.shared_head_norm.weight`) === false,
      headHead: lacks(header, `blk.${blocks - 1}.nextn.shared_head_head.weight`) === false,
    },
  };
}

function ggufVocabulary(fields: Fields, header: GgufHeader): number {
  const key = "tokenizer.ggml.tokens";
  const kept = header.metadata.get(key);
  const tokens = header.arrayLengths.get(key) ?? (Array.isArray(kept) ? kept.length : null);
  const rows = header.tensors.find((t) => t.name === "token_embd.weight")?.shape[1] ?? null;
  const length = tokens ?? (fields.has("vocab_size") ? null : rows);
  if (length === null) return fields.int("vocab_size", LIMITS.vocabulary);
  const { min, max } = LIMITS.vocabulary;
  if (length < min || length > max) fields.refuse(`the vocabulary has ${length} tokens: ${min} to ${max} are wanted`);
  return length;
}

/** null when the header came without its tensor list. */
export function lacks(header: GgufHeader, name: string): boolean | null {
  return header.tensors.length === 0 ? null : !header.tensors.some((t) => t.name === name);
}

export interface HeadTraits {
  readonly normBias: boolean;
  /** Elements of `rope_freqs`, null when the model has none. */
  readonly ropeFreqs: number | null;
  /** Elements of each of `rope_factors_long` and `_short`, null when the model has none. */
  readonly ropeFactors: number | null;
}

export const PLAIN_HEAD: HeadTraits = { normBias: false, ropeFreqs: null, ropeFactors: null };

export function outsideTensors(decoder: Decoder, traits: HeadTraits = PLAIN_HEAD): readonly TensorSpec[] {
  const { embedding, vocabulary } = decoder;
  const list: TensorSpec[] = [tensor("token_embd.weight", [embedding, vocabulary], "embedding")];
  list.push(tensor("output_norm.weight", [embedding], "norm"));
  if (traits.normBias) list.push(tensor("output_norm.bias", [embedding], "norm"));
  if (!decoder.tied) list.push(tensor("output.weight", [embedding, vocabulary], "output"));
  if (traits.ropeFreqs !== null) list.push(tensor("rope_freqs.weight", [traits.ropeFreqs], "other"));
  if (traits.ropeFactors !== null) {
    list.push(tensor("rope_factors_long.weight", [traits.ropeFactors], "other"));
    list.push(tensor("rope_factors_short.weight", [traits.ropeFactors], "other"));
  }
  return list;
}
