/**
 * llama 1-3, mistral, mixtral, ministral 3 and what is built like them: grouped attention, SwiGLU, one norm before each.
 * Mistral's sliding window is not in llama.cpp: every layer keeps the whole context.
 * @source llama.cpp src/models/llama.cpp@069be0ae22f391c64e26e8da4c7da0143ede8cf3, conversion/llama.py@0274f0fc7d7fbab69c33ccf757cf7f3d036c17aa
 */
import type { FeedForward, MoeFeedForward } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import { defineFamily } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
import { ropeType } from "./rope.ts";
import {
  buildStandard,
  gatedDense,
  headFromGguf,
  PLAIN_LAYER,
  type StandardDecoder,
  traitsFromGguf,
} from "./standard.ts";

const UNTIED = { tiedByDefault: false };

function readConfig(fields: Fields): StandardDecoder {
  const modelType = fields.optionalString("model_type");
  const decoder = decoderFromConfig(fields, "llama", modelType === "ministral3" ? "mistral3" : "llama", UNTIED);
  const heads = headsFromConfig(fields, decoder);
  const width = fields.int("intermediate_size", LIMITS.width);
  const feedForward = modelType === "mixtral" ? mixtral(fields, width) : gatedDense(width);
  if (modelType !== "mixtral" && (fields.optionalInt("num_local_experts", orNone(LIMITS.experts)) ?? 0) > 1) {
    fields.refuse(`model_type "${modelType}" with num_local_experts: llama.cpp knows experts in "mixtral" only`);
  }
  if (fields.has("sliding_window")) {
    fields.warn("llama.cpp has no sliding window for this architecture: each layer keeps the whole context.");
  }
  const bias = fields.optionalBool("attention_bias") ?? false;
  return {
    ...decoder,
    heads,
    feedForward: Array.from({ length: decoder.layerCount }, () => feedForward),
    traits: {
      ...PLAIN_LAYER,
      qkvBias: bias,
      outputBias: bias,
      denseBias: fields.optionalBool("mlp_bias") ?? false,
    },
    head: { ...PLAIN_HEAD, ropeFreqs: ropeType(fields) === "llama3" ? Math.floor(heads.headDimK / 2) : null },
  };
}

function mixtral(fields: Fields, expertWidth: number): MoeFeedForward {
  const experts = fields.int("num_local_experts", LIMITS.experts);
  return moe(fields, expertWidth, experts, fields.int("num_experts_per_tok", LIMITS.experts));
}

function moe(fields: Fields, expertWidth: number, experts: number, expertsUsed: number): MoeFeedForward {
  if (expertsUsed > experts) fields.refuse(`${expertsUsed} experts are used of ${experts}: no more than all is wanted`);
  return { kind: "moe", experts, expertsUsed, expertWidth, sharedWidth: 0, sharedGated: false };
}

function readGguf(fields: Fields, header: Parameters<typeof decoderFromGguf>[1]): StandardDecoder {
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
  const widths = fields.perLayer("feed_forward_length", decoder.layerCount, LIMITS.width);
  const experts = fields.optionalInt("expert_count", orNone(LIMITS.experts)) ?? 0;
  if (experts === 0) return widths.map((width) => gatedDense(width));
  const used = fields.int("expert_used_count", LIMITS.experts);
  return widths.map((width) => moe(fields, width, experts, used));
}

export const llama = defineFamily<StandardDecoder>({
  id: "llama",
  modelTypes: ["llama", "mistral", "mixtral", "ministral3"],
  ggufArchitectures: ["llama", "mistral3"],
  readConfig,
  readGguf,
  build: (geometry) => buildStandard(geometry, { norms: ["attn_norm", "ffn_norm"] }),
});
