/**
 * kimi linear: three layers of delta attention with a decay for each channel (KDA) to one of latent attention without
 * positions; a dense layer first, then experts. Kimi K3 is another architecture by the same model_type.
 * @source llama.cpp src/models/kimi-linear.cpp, conversion/kimi_linear.py@v0.5.0
 */
import type { FeedForward, LatentMixer, LayerSpec, StateMixer, TensorSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, outsideTensors } from "./decoder.ts";
import { moe } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { Fields, LIMITS, orNone } from "./fields.ts";
import { feedForwardTensors, gatedDense, PLAIN_LAYER } from "./standard.ts";
import { blockTensor, norms, PLAIN_EXPERTS } from "./tensors.ts";

const UNTIED = { tiedByDefault: false };
const TRAITS = { ...PLAIN_LAYER, experts: { ...PLAIN_EXPERTS, selectionBias: true } };

interface Delta {
  readonly heads: number;
  readonly headDim: number;
  readonly convKernel: number;
}

interface KimiLinear extends Decoder {
  readonly delta: Delta;
  readonly latent: LatentMixer;
  readonly attends: (layer: number) => boolean;
  readonly feedForward: readonly FeedForward[];
}

function layer({ delta, latent, attends, embedding, feedForward }: KimiLinear, index: number): LayerSpec {
  const block = feedForward[index] ?? { kind: "none" };
  const around = [
    ...norms(index, embedding, ["attn_norm", "ffn_norm"]),
    ...feedForwardTensors(index, embedding, block, TRAITS),
  ];
  if (attends(index))
    return plainLayer(index, [latent], block, [...around, ...latentTensors(index, embedding, latent)]);
  return plainLayer(index, [deltaMixer(delta)], block, [...around, ...deltaTensors(index, embedding, delta)]);
}

/** Kept per sequence: the convolutions' past of queries, keys and values, and a matrix for each head. */
function deltaMixer({ heads, headDim, convKernel }: Delta): StateMixer {
  const inner = heads * headDim;
  return {
    kind: "state",
    algorithm: "kda",
    convElements: 3 * (convKernel - 1) * inner,
    stateElements: headDim * inner,
    innerSize: inner,
    stateSize: headDim,
    heads,
    groups: heads,
    convKernel,
    stepNormed: false,
  };
}

function deltaTensors(layer: number, width: number, { heads, headDim, convKernel }: Delta): readonly TensorSpec[] {
  const inner = heads * headDim;
  const matrix = (name: string, rows: number, columns: number): TensorSpec =>
    blockTensor(layer, `${name}.weight`, [rows, columns], "state");
  return [
    ...["q", "k", "v"].flatMap((name) => [
      matrix(`attn_${name}`, width, inner),
      blockTensor(layer, `ssm_conv1d_${name}.weight`, [convKernel, 1, inner], "state"),
    ]),
    matrix("ssm_f_a", width, headDim),
    matrix("ssm_f_b", headDim, inner),
    matrix("ssm_g_a", width, headDim),
    matrix("ssm_g_b", headDim, inner),
    matrix("ssm_beta", width, heads),
    blockTensor(layer, "ssm_a", [1, heads], "state"),
    blockTensor(layer, "ssm_dt.bias", [inner], "state"),
    blockTensor(layer, "ssm_norm.weight", [headDim], "norm"),
    matrix("attn_output", inner, width),
  ];
}

function latentTensors(layer: number, width: number, latent: LatentMixer): readonly TensorSpec[] {
  const { heads, kvLoraRank, ropeDim, nopeDim, valueDim } = latent;
  const make = (name: string, shape: readonly number[]): TensorSpec =>
    blockTensor(layer, `${name}.weight`, shape, "attention");
  return [
    make("attn_q", [width, heads * (nopeDim + ropeDim)]),
    make("attn_kv_a_mqa", [width, kvLoraRank + ropeDim]),
    blockTensor(layer, "attn_kv_a_norm.weight", [kvLoraRank], "norm"),
    make("attn_k_b", [nopeDim, kvLoraRank, heads]),
    make("attn_v_b", [kvLoraRank, valueDim, heads]),
    make("attn_output", [heads * valueDim, width]),
  ];
}

function blocks(decoder: Decoder, leading: number, dense: FeedForward, rest: FeedForward): readonly FeedForward[] {
  return Array.from({ length: decoder.layerCount }, (_, index) => (index < leading ? dense : rest));
}

function readConfig(fields: Fields): KimiLinear {
  const decoder = { ...decoderFromConfig(fields, "kimi-linear", "kimi-linear", UNTIED), tied: false };
  if (fields.has("attn_res_block_size")) {
    fields.refuse("attn_res_block_size is set: Kimi K3, which is built otherwise and not known yet");
  }
  if (fields.has("q_lora_rank"))
    fields.refuse("q_lora_rank is set: llama.cpp knows kimi linear without compressed queries");
  const settings = fields.optionalObject("linear_attn_config");
  if (settings === null) fields.refuse("linear_attn_config is missing: which layers attend is not known");
  const linear = new Fields(
    (key) => settings?.[key],
    (key) => `linear_attn_config.${key}`,
  );
  const full = linear.optionalList("full_attn_layers");
  if (settings !== null && full === null) fields.refuse("linear_attn_config.full_attn_layers is missing");
  const delta = {
    heads: fields.int("num_attention_heads", LIMITS.heads),
    headDim: linear.int("head_dim", LIMITS.headDim),
    convKernel: linear.int("short_conv_kernel_size", LIMITS.headDim),
  };
  for (const problem of settings === null ? [] : linear.problems) fields.refuse(problem);
  const expertWidth = fields.int("moe_intermediate_size", LIMITS.width);
  const experts = moe(fields, {
    experts: fields.int("num_experts", LIMITS.experts),
    expertsUsed: fields.int("num_experts_per_token", LIMITS.experts),
    expertWidth,
    sharedWidth: fields.int("num_shared_experts", LIMITS.experts) * expertWidth,
    sharedGated: false,
  });
  const leading = fields.int("first_k_dense_replace", orNone(LIMITS.layers));
  return {
    ...decoder,
    delta,
    latent: {
      kind: "latent",
      heads: delta.heads,
      kvLoraRank: fields.int("kv_lora_rank", LIMITS.width),
      ropeDim: fields.int("qk_rope_head_dim", LIMITS.headDim),
      nopeDim: fields.int("qk_nope_head_dim", LIMITS.headDim),
      valueDim: fields.int("v_head_dim", LIMITS.headDim),
      qLoraRank: null,
      unturned: true,
    },
    attends: (index) => full?.includes(index + 1) === true,
    feedForward: blocks(decoder, leading, gatedDense(fields.int("intermediate_size", LIMITS.width)), experts),
  };
}

function readGguf(fields: Fields, header: GgufHeader): KimiLinear {
  const decoder = { ...decoderFromGguf(fields, header, "kimi-linear", UNTIED), tied: false };
  const heads = fields.int("attention.head_count", LIMITS.heads);
  const kvHeads = fields.perLayer("attention.head_count_kv", decoder.layerCount, orNone(LIMITS.heads));
  const whole = fields.int("attention.key_length_mla", LIMITS.headDim);
  const ropeDim = fields.int("rope.dimension_count", LIMITS.headDim);
  if (fields.problems.length === 0 && whole <= ropeDim) {
    fields.refuse(`attention.key_length_mla is ${whole}: more than rope.dimension_count (${ropeDim}) is wanted`);
  }
  if (header.tensors.some(({ name }) => name.endsWith(".attn_kv_b.weight"))) {
    fields.refuse(
      "the file has attn_kv_b, an older conversion that caches keys and values whole, which is not known here",
    );
  }
  const expertWidth = fields.int("expert_feed_forward_length", LIMITS.width);
  const shared = Math.max(fields.int("expert_shared_count", orNone(LIMITS.experts)), 1);
  const experts = moe(fields, {
    experts: fields.int("expert_count", LIMITS.experts),
    expertsUsed: fields.int("expert_used_count", LIMITS.experts),
    expertWidth,
    sharedWidth: shared * expertWidth,
    sharedGated: false,
  });
  const leading = fields.optionalInt("leading_dense_block_count", orNone(LIMITS.layers)) ?? 0;
  return {
    ...decoder,
    delta: {
      heads,
      headDim: fields.int("kda.head_dim", LIMITS.headDim),
      convKernel: fields.int("ssm.conv_kernel", LIMITS.headDim),
    },
    latent: {
      kind: "latent",
      heads,
      kvLoraRank: fields.int("attention.kv_lora_rank", LIMITS.width),
      ropeDim,
      nopeDim: Math.max(whole - ropeDim, 1),
      valueDim: fields.int("attention.value_length_mla", LIMITS.headDim),
      qLoraRank: null,
      unturned: true,
    },
    attends: (index) => (kvHeads[index] ?? 0) > 0,
    feedForward: blocks(decoder, leading, gatedDense(fields.int("feed_forward_length", LIMITS.width)), experts),
  };
}

export const kimiLinear = defineFamily<KimiLinear>({
  id: "kimi-linear",
  modelTypes: ["kimi_linear"],
  ggufArchitectures: ["kimi-linear"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry),
  }),
});
