/**
 * deepseek v2 to v3.2, r1, kimi k2, glm 4.7 flash and glm 5: latent attention, some dense layers first, then routed and shared
 * experts; v3.2 and glm 5 attend to what an indexer chooses.
 * A GGUF without `attention.key_length_mla` is from an older converter: it holds `attn_kv_b`, and llama.cpp caches whole
 * keys and values for every head.
 * @source llama.cpp src/models/deepseek2.cpp@v0.5.0, conversion/deepseek.py@01a723dc630d075780ac7081fd63fbd87780f665
 */
import type { AttentionMixer, FeedForward, LatentMixer, LayerSpec, TensorSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, lacks, outsideTensors } from "./decoder.ts";
import { moe } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS, orNone, repeat } from "./fields.ts";
import { attention } from "./heads.ts";
import { type Indexer, indexerCache, indexerFromConfig, indexerFromGguf, indexerTensors } from "./indexer.ts";
import {
  everyLayer,
  feedForwardTensors,
  gatedDense,
  type LayerTraits,
  PLAIN_LAYER,
  traitsFromGguf,
} from "./standard.ts";
import { blockTensor, norms, PLAIN_EXPERTS } from "./tensors.ts";

const UNTIED = { tiedByDefault: false };

interface DeepSeek extends Decoder {
  readonly latent: LatentMixer;
  /** An older file: keys and values are unpacked by `attn_kv_b` and cached whole. */
  readonly unpacked: boolean;
  readonly feedForward: readonly FeedForward[];
  readonly traits: LayerTraits;
  /** v3.2 and glm 5. */
  readonly indexer: Indexer | null;
}

/** By model_type; the others are deepseek2. */
const SPARSE: Readonly<Record<string, string>> = { deepseek_v32: "deepseek32", glm_moe_dsa: "glm-dsa" };

interface FeedForwardCounts {
  readonly leadingDense: number;
  readonly denseWidth: number;
  readonly experts: number;
  readonly expertsUsed: number;
  readonly expertWidth: number;
  readonly sharedExperts: number;
}

function feedForwards(fields: Fields, decoder: Decoder, counts: FeedForwardCounts): readonly FeedForward[] {
  const { leadingDense, denseWidth, experts, expertsUsed, expertWidth, sharedExperts } = counts;
  const blocks = decoder.layerCount + decoder.mtpCount;
  const dense = gatedDense(denseWidth);
  if (experts === 0) {
    if (leadingDense < blocks) fields.refuse(`no experts, and only ${leadingDense} of ${blocks} layers are dense`);
    return everyLayer(decoder, dense);
  }
  const sharedWidth = sharedExperts * expertWidth;
  const block = moe(fields, { experts, expertsUsed, expertWidth, sharedWidth, sharedGated: false });
  return Array.from({ length: blocks }, (_, layer) => (layer < leadingDense ? dense : block));
}

function readConfig(fields: Fields): DeepSeek {
  const modelType = fields.optionalString("model_type");
  const sparse = SPARSE[modelType ?? ""] ?? null;
  const decoder = decoderFromConfig(fields, "deepseek", sparse ?? "deepseek2", UNTIED);
  if ((fields.optionalInt("moe_layer_freq", LIMITS.layers) ?? 1) !== 1) {
    fields.refuse("moe_layer_freq is not 1: llama.cpp wants experts in each layer after the dense ones");
  }
  const method = fields.optionalString("topk_method");
  const selectionBias = method === "noaux_tc" || modelType !== "deepseek_v2";
  return {
    ...decoder,
    latent: {
      kind: "latent",
      heads: fields.int("num_attention_heads", LIMITS.heads),
      kvLoraRank: fields.int("kv_lora_rank", LIMITS.width),
      ropeDim: fields.int("qk_rope_head_dim", LIMITS.headDim),
      nopeDim: fields.int("qk_nope_head_dim", LIMITS.headDim),
      valueDim: fields.int("v_head_dim", LIMITS.headDim),
      qLoraRank: fields.optionalInt("q_lora_rank", LIMITS.width),
    },
    unpacked: false,
    feedForward: feedForwards(fields, decoder, {
      leadingDense: fields.int("first_k_dense_replace", orNone(LIMITS.layers)),
      denseWidth: fields.int("intermediate_size", LIMITS.width),
      experts: fields.int("n_routed_experts", LIMITS.experts),
      expertsUsed: fields.int("num_experts_per_tok", LIMITS.experts),
      expertWidth: fields.int("moe_intermediate_size", LIMITS.width),
      sharedExperts: fields.optionalInt("n_shared_experts", orNone(LIMITS.experts)) ?? 0,
    }),
    traits: { ...PLAIN_LAYER, experts: { ...PLAIN_EXPERTS, selectionBias } },
    indexer: sparse === null ? null : indexerFromConfig(fields, decoder),
  };
}

function readGguf(fields: Fields, header: GgufHeader): DeepSeek {
  const decoder = decoderFromGguf(fields, header, "deepseek", UNTIED);
  const unpacked = (fields.optionalInt("attention.key_length_mla", orNone(LIMITS.headDim)) ?? 0) === 0;
  const suffix = unpacked ? "" : "_mla";
  const keyDim = fields.int(`attention.key_length${suffix}`, LIMITS.headDim);
  const ropeDim = fields.int("rope.dimension_count", LIMITS.headDim);
  if (fields.problems.length === 0 && ropeDim >= keyDim) {
    fields.refuse(`rope.dimension_count is ${ropeDim}: less than a key's length (${keyDim}) is wanted`);
  }
  const leadingDense = fields.optionalInt("leading_dense_block_count", orNone(LIMITS.layers)) ?? 0;
  const experts = fields.optionalInt("expert_count", orNone(LIMITS.experts)) ?? 0;
  const wholeQuery = lacks(header, "blk.0.attn_q.weight") === false;
  const selectionBias = fields.optionalInt("expert_gating_func", { min: 0, max: 16 }) === SIGMOID;
  return {
    ...decoder,
    latent: {
      kind: "latent",
      heads: fields.int("attention.head_count", LIMITS.heads),
      kvLoraRank: fields.int("attention.kv_lora_rank", LIMITS.width),
      ropeDim,
      nopeDim: Math.max(1, keyDim - ropeDim),
      valueDim: fields.int(`attention.value_length${suffix}`, LIMITS.headDim),
      qLoraRank: wholeQuery ? null : fields.optionalInt("attention.q_lora_rank", LIMITS.width),
    },
    unpacked,
    feedForward: feedForwards(fields, decoder, {
      leadingDense,
      denseWidth: fields.int("feed_forward_length", LIMITS.width),
      experts,
      expertsUsed: experts === 0 ? 0 : fields.int("expert_used_count", LIMITS.experts),
      expertWidth: fields.int("expert_feed_forward_length", LIMITS.width),
      sharedExperts: fields.optionalInt("expert_shared_count", orNone(LIMITS.experts)) ?? 0,
    }),
    traits: traitsFromGguf(
      header,
      { ...PLAIN_LAYER, experts: { ...PLAIN_EXPERTS, selectionBias } },
      Math.min(leadingDense, decoder.layerCount - 1),
    ),
    indexer: header.architecture === "deepseek2" ? null : indexerFromGguf(fields, decoder),
  };
}

/** expert_gating_func of the models that choose experts with a bias. @source llama.cpp src/llama-hparams.h@v0.5.0 */
const SIGMOID = 2;

function mixer({ latent, unpacked }: DeepSeek): LatentMixer | AttentionMixer {
  if (!unpacked) return latent;
  const { heads, nopeDim, ropeDim, valueDim } = latent;
  const whole = { heads: repeat(heads, 1), kvHeads: repeat(heads, 1), headDimK: nopeDim + ropeDim, headDimV: valueDim };
  return attention(whole, 0);
}

function attentionTensors(geometry: DeepSeek, layer: number): readonly TensorSpec[] {
  const { embedding, latent, unpacked } = geometry;
  const { heads, kvLoraRank, ropeDim, nopeDim, valueDim, qLoraRank } = latent;
  const queryRows = heads * (nopeDim + ropeDim);
  const matrix = (name: string, shape: readonly number[]) => blockTensor(layer, `${name}.weight`, shape, "attention");
  const norm = (name: string, length: number) => blockTensor(layer, `${name}.weight`, [length], "norm");
  return [
    ...(qLoraRank === null
      ? [matrix("attn_q", [embedding, queryRows])]
      : [
          matrix("attn_q_a", [embedding, qLoraRank]),
          norm("attn_q_a_norm", qLoraRank),
          matrix("attn_q_b", [qLoraRank, queryRows]),
        ]),
    matrix("attn_kv_a_mqa", [embedding, kvLoraRank + ropeDim]),
    norm("attn_kv_a_norm", kvLoraRank),
    ...(unpacked
      ? [matrix("attn_kv_b", [kvLoraRank, heads * (nopeDim + valueDim)])]
      : [matrix("attn_k_b", [nopeDim, kvLoraRank, heads]), matrix("attn_v_b", [kvLoraRank, valueDim, heads])]),
    matrix("attn_output", [heads * valueDim, embedding]),
  ];
}

function layer(geometry: DeepSeek, index: number): LayerSpec {
  const { embedding, traits, indexer, latent } = geometry;
  const feedForward = geometry.feedForward[index] ?? { kind: "none" };
  const plain = plainLayer(index, [mixer(geometry)], feedForward, [
    ...norms(index, embedding, ["attn_norm", "ffn_norm"]),
    ...attentionTensors(geometry, index),
    ...feedForwardTensors(index, embedding, feedForward, traits),
  ]);
  if (indexer === null || !indexer.own(index)) return plain;
  return {
    ...plain,
    sideCaches: [indexerCache(indexer)],
    tensors: [...plain.tensors, ...indexerTensors(index, indexer, embedding, latent.qLoraRank ?? 1)],
  };
}

export const deepseek = defineFamily<DeepSeek>({
  id: "deepseek",
  modelTypes: ["deepseek_v2", "deepseek_v3", "deepseek_v32", "glm4_moe_lite", "glm_moe_dsa", "kimi_k2"],
  ggufArchitectures: ["deepseek2", "deepseek32", "glm-dsa"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry),
  }),
});
