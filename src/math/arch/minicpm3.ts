/**
 * minicpm 3: keys and values are compressed as in deepseek, and unpacked before they are cached, head by head. Dense.
 * @source llama.cpp src/models/minicpm3.cpp, conversion/minicpm.py MiniCPM3Model@v0.5.0
 */
import type { FeedForward, LayerSpec, TensorSpec } from "../model.ts";
import {
  type Decoder,
  decoderFromConfig,
  decoderFromGguf,
  type HeadTraits,
  outsideTensors,
  PLAIN_HEAD,
} from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS, repeat } from "./fields.ts";
import { attention } from "./heads.ts";
import { longRopeFactors } from "./rope.ts";
import { feedForwardTensors, gatedDense, headFromGguf, PLAIN_LAYER } from "./standard.ts";
import { blockTensor, norms } from "./tensors.ts";

/** MiniCPM3Config's is true; llama.cpp's files have no head of their own. */
const TIED = { tiedByDefault: true };

interface MiniCpm3 extends Decoder {
  readonly heads: number;
  readonly qLoraRank: number;
  readonly kvLoraRank: number;
  readonly ropeDim: number;
  readonly nopeDim: number;
  readonly valueDim: number;
  readonly feedForward: FeedForward;
  readonly head: HeadTraits;
}

function readConfig(fields: Fields): MiniCpm3 {
  const decoder = decoderFromConfig(fields, "minicpm3", "minicpm3", TIED);
  const heads = fields.int("num_attention_heads", LIMITS.heads);
  const share = Math.max(1, Math.floor(decoder.embedding / heads));
  const valueDim = fields.optionalInt("v_head_dim", LIMITS.headDim) ?? share;
  if (valueDim !== share) {
    fields.refuse(`v_head_dim is ${valueDim}: hidden_size / num_attention_heads (${share}) is what llama.cpp takes`);
  }
  if ((fields.optionalInt("num_key_value_heads", LIMITS.heads) ?? heads) !== heads) {
    fields.refuse("num_key_value_heads is not num_attention_heads: each head has its own keys here");
  }
  return {
    ...decoder,
    heads,
    qLoraRank: fields.int("q_lora_rank", LIMITS.width),
    kvLoraRank: fields.int("kv_lora_rank", LIMITS.width),
    ropeDim: fields.int("qk_rope_head_dim", LIMITS.headDim),
    nopeDim: fields.int("qk_nope_head_dim", LIMITS.headDim),
    valueDim,
    feedForward: gatedDense(fields.int("intermediate_size", LIMITS.width)),
    head: { ...PLAIN_HEAD, ropeFactors: longRopeFactors(fields) },
  };
}

function readGguf(fields: Fields, header: GgufHeader): MiniCpm3 {
  const decoder = decoderFromGguf(fields, header, "minicpm3", TIED);
  const heads = fields.int("attention.head_count", LIMITS.heads);
  const keyDim = fields.int("attention.key_length", LIMITS.headDim);
  const ropeDim = fields.int("rope.dimension_count", LIMITS.headDim);
  if (fields.problems.length === 0 && ropeDim >= keyDim) {
    fields.refuse(`rope.dimension_count is ${ropeDim}: less than a key's length (${keyDim}) is wanted`);
  }
  return {
    ...decoder,
    heads,
    qLoraRank: fields.int("attention.q_lora_rank", LIMITS.width),
    kvLoraRank: fields.int("attention.kv_lora_rank", LIMITS.width),
    ropeDim,
    nopeDim: Math.max(1, keyDim - ropeDim),
    valueDim:
      fields.optionalInt("attention.value_length", LIMITS.headDim) ??
      Math.max(1, Math.floor(decoder.embedding / heads)),
    feedForward: gatedDense(fields.int("feed_forward_length", LIMITS.width)),
    head: headFromGguf(header),
  };
}

function attentionTensors(geometry: MiniCpm3, layer: number): readonly TensorSpec[] {
  const { embedding, heads, qLoraRank, kvLoraRank, ropeDim, nopeDim, valueDim } = geometry;
  const matrix = (name: string, shape: readonly number[]) => blockTensor(layer, `${name}.weight`, shape, "attention");
  return [
    matrix("attn_q_a", [embedding, qLoraRank]),
    blockTensor(layer, "attn_q_a_norm.weight", [qLoraRank], "norm"),
    matrix("attn_q_b", [qLoraRank, heads * (nopeDim + ropeDim)]),
    matrix("attn_kv_a_mqa", [embedding, kvLoraRank + ropeDim]),
    blockTensor(layer, "attn_kv_a_norm.weight", [kvLoraRank], "norm"),
    matrix("attn_kv_b", [kvLoraRank, heads * (nopeDim + valueDim)]),
    matrix("attn_output", [heads * valueDim, embedding]),
  ];
}

function layer(geometry: MiniCpm3, index: number): LayerSpec {
  const { embedding, heads, nopeDim, ropeDim, valueDim, feedForward } = geometry;
  const each = repeat(heads, index + 1);
  const mixer = attention({ heads: each, kvHeads: each, headDimK: nopeDim + ropeDim, headDimV: valueDim }, index);
  return plainLayer(index, [mixer], feedForward, [
    ...norms(index, embedding, ["attn_norm", "ffn_norm"]),
    ...attentionTensors(geometry, index),
    ...feedForwardTensors(index, embedding, feedForward, PLAIN_LAYER),
  ]);
}

export const minicpm3 = defineFamily<MiniCpm3>({
  id: "minicpm3",
  modelTypes: ["minicpm3"],
  ggufArchitectures: ["minicpm3"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry, geometry.head),
  }),
});
