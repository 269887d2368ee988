/**
 * llama 1-3, mistral, mixtral, ministral 3, internlm 1 and 3, llava's text model and what is built like them: grouped attention, SwiGLU, one norm before each.
 * Mistral's sliding window is not in llama.cpp: every layer keeps the whole context.
 * @source llama.cpp src/models/llama.cpp@v0.5.0, conversion/llama.py@0274f0fc7d7fbab69c33ccf757cf7f3d036c17aa
 */
import type { FeedForward } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import { moe } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
import { isLlama3Rope } from "./rope.ts";
import {
  buildStandard,
  denseFromGguf,
  everyLayer,
  gatedDense,
  headFromGguf,
  PLAIN_LAYER,
  type StandardDecoder,
  traitsFromGguf,
} from "./standard.ts";

const UNTIED = { tiedByDefault: false };

function readConfig(fields: Fields): StandardDecoder {
  const modelType = fields.optionalString("model_type");
  const decoder = decoderFromConfig(fields, "llama", architectureOf(fields, modelType), UNTIED);
  const heads = headsFromConfig(fields, decoder);
  const width = fields.int("intermediate_size", LIMITS.width);
  const feedForward = modelType === "mixtral" ? mixtral(fields, width) : gatedDense(width);
  if (modelType !== "mixtral" && (fields.optionalInt("num_local_experts", orNone(LIMITS.experts)) ?? 0) > 1) {
    fields.refuse(`model_type "${modelType}" with num_local_experts: llama.cpp knows experts in "mixtral" only`);
  }
  if (fields.has("draft_vocab_size"))
    fields.refuse("draft_vocab_size is set: an EAGLE-3 draft, not a model of its own");
  if (fields.has("sliding_window")) {
    fields.warn("llama.cpp has no sliding window for this architecture: each layer keeps the whole context.");
  }
  // Internlm has one switch for all biases of attention, internlm 3 two.
  const inBias = modelType === "internlm" ? "bias" : modelType === "internlm3" ? "qkv_bias" : "attention_bias";
  const outBias = modelType === "internlm3" ? "bias" : inBias;
  if (modelType === "llava" || modelType === "llava_llama") {
    fields.warn("Only the text model is counted: a vision tower is a file of its own.");
  }
  return {
    ...decoder,
    heads,
    feedForward: everyLayer(decoder, feedForward),
    traits: {
      ...PLAIN_LAYER,
      qkvBias: fields.optionalBool(inBias) ?? false,
      outputBias: fields.optionalBool(outBias) ?? false,
      denseBias: fields.optionalBool(modelType === "internlm3" ? "bias" : "mlp_bias") ?? false,
    },
    head: { ...PLAIN_HEAD, ropeFreqs: isLlama3Rope(fields) ? pairs(fields, heads.headDimK) : null },
  };
}

/** Rotary embeddings turn a head's elements in pairs. */
function pairs(fields: Fields, headDim: number): number {
  if (headDim % 2 !== 0) fields.refuse(`a head has ${headDim} elements: an even number is wanted to rotate them`);
  return Math.ceil(headDim / 2);
}

function mixtral(fields: Fields, expertWidth: number): FeedForward {
  return moe(fields, {
    experts: fields.int("num_local_experts", LIMITS.experts),
    expertsUsed: fields.int("num_experts_per_tok", LIMITS.experts),
    expertWidth,
    sharedWidth: 0,
    sharedGated: false,
  });
}

/** llama.cpp takes these classes for its architecture "mistral3", which is llama's with another scale of the query. */
function architectureOf(fields: Fields, modelType: string | null): string {
  const first = fields.optionalList("architectures")?.[0];
  const isMistral3 = typeof first === "string" && /^(Mistral3|Ministral3)For/.test(first);
  return isMistral3 || modelType === "ministral3" ? "mistral3" : "llama";
}

function readGguf(fields: Fields, header: GgufHeader): StandardDecoder {
  const decoder = decoderFromGguf(fields, header, "llama", UNTIED);
  return {
    ...decoder,
    heads: headsFromGguf(fields, decoder),
    feedForward: ggufFeedForward(fields, decoder),
    traits: traitsFromGguf(header, PLAIN_LAYER),
    head: headFromGguf(header),
  };
}

function ggufFeedForward(fields: Fields, decoder: Decoder): readonly FeedForward[] {
  const dense = denseFromGguf(fields, decoder);
  const experts = fields.optionalInt("expert_count", orNone(LIMITS.experts)) ?? 0;
  if (experts === 0) return dense;
  const expertsUsed = fields.int("expert_used_count", LIMITS.experts);
  return dense.map(({ width }) =>
    moe(fields, { experts, expertsUsed, expertWidth: width, sharedWidth: 0, sharedGated: false }),
  );
}

export const llama = defineFamily<StandardDecoder>({
  id: "llama",
  modelTypes: [
    "llama",
    "mistral",
    "mixtral",
    "mistral3",
    "ministral3",
    "internlm",
    "internlm3",
    "llava",
    "llava_llama",
  ],
  ggufArchitectures: ["llama", "mistral3"],
  readConfig,
  readGguf,
  build: (geometry) => buildStandard(geometry, { norms: ["attn_norm", "ffn_norm"] }),
});
