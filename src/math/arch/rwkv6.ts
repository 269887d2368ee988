/**
 * rwkv 6 ("Finch") and its mixer in the place of qwen 2's attention (qwerky).
 * @source llama.cpp src/models/rwkv6.cpp, rwkv6qwen2.cpp, conversion/rwkv.py@v0.5.0
 */
import type { LayerSpec, TensorSpec } from "../model.ts";
import { decoderFromConfig, decoderFromGguf, lacks } from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import { type Blocks, defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import {
  checkedHead,
  embeddingNorm,
  headSizeFromGguf,
  layerNorm,
  matrix,
  RWKV_CONTEXT,
  type Rwkv,
  rwkvMixer,
  rwkvOutside,
  vector,
} from "./rwkv.ts";
import { gatedDense } from "./standard.ts";
import { blockTensor, denseTensors, norms } from "./tensors.ts";

const UNTIED = { tiedByDefault: false };

interface Rwkv6 extends Rwkv {
  readonly mixRank: number;
  readonly decayRank: number;
  /** Rows of keys and of values; fewer than the width where heads share them. */
  readonly keyWidth: number;
  readonly hybrid: boolean;
  /** The five interpolations in one tensor. */
  readonly fusedLerp: boolean;
  readonly biases: boolean;
  readonly hasFirst: boolean;
  readonly normBias: boolean;
}

function layer(geometry: Rwkv6, index: number): LayerSpec {
  const { embedding: E, width, hybrid } = geometry;
  const mixer = rwkvMixer("rwkv6", geometry);
  const mixing = timeMix(geometry, index);
  if (hybrid) {
    const block = gatedDense(width);
    const around = [...norms(index, E, ["attn_norm", "ffn_norm"]), ...denseTensors(index, E, block)];
    return plainLayer(index, [mixer], block, [...around, ...mixing]);
  }
  return plainLayer(index, [mixer], { kind: "dense", width, gated: false, fusedGateUp: false }, [
    ...embeddingNorm(index, E),
    ...layerNorm(index, "attn_norm", E),
    ...layerNorm(index, "attn_norm_2", E),
    ...mixing,
    ...layerNorm(index, "time_mix_ln", E),
    blockTensor(index, "channel_mix_lerp_k.weight", [E, 1, 1], "feed-forward"),
    blockTensor(index, "channel_mix_lerp_r.weight", [E, 1, 1], "feed-forward"),
    blockTensor(index, "channel_mix_key.weight", [E, width], "feed-forward"),
    blockTensor(index, "channel_mix_value.weight", [width, E], "feed-forward"),
    blockTensor(index, "channel_mix_receptance.weight", [E, E], "feed-forward"),
  ]);
}

function timeMix(geometry: Rwkv6, index: number): readonly TensorSpec[] {
  const { embedding: E, mixRank, decayRank, keyWidth, headSize, fusedLerp, biases, hasFirst } = geometry;
  const lerp = (name: string): TensorSpec => blockTensor(index, `time_mix_lerp_${name}.weight`, [E, 1, 1], "state");
  const bias = (name: string, rows: number): TensorSpec => blockTensor(index, `${name}.bias`, [rows], "state");
  return [
    matrix(index, "time_mix_w1", E, 5 * mixRank),
    blockTensor(index, "time_mix_w2.weight", [mixRank, E, 5], "state"),
    lerp("x"),
    ...(fusedLerp
      ? [blockTensor(index, "time_mix_lerp_fused.weight", [E, 1, 1, 5], "state")]
      : ["w", "k", "v", "r", "g"].map(lerp)),
    ...(hasFirst ? [matrix(index, "time_mix_first", headSize, E / headSize)] : []),
    vector(index, "time_mix_decay", E),
    matrix(index, "time_mix_decay_w1", E, decayRank),
    matrix(index, "time_mix_decay_w2", decayRank, E),
    matrix(index, "time_mix_key", E, keyWidth),
    matrix(index, "time_mix_value", E, keyWidth),
    matrix(index, "time_mix_receptance", E, E),
    matrix(index, "time_mix_gate", E, E),
    matrix(index, "time_mix_output", E, E),
    ...(biases
      ? [bias("time_mix_key", keyWidth), bias("time_mix_value", keyWidth), bias("time_mix_receptance", E)]
      : []),
  ];
}

function readConfig(fields: Fields): Rwkv6 {
  const decoder = { ...decoderFromConfig(fields, "rwkv6", "rwkv6", UNTIED), tied: false, context: RWKV_CONTEXT };
  const { embedding } = decoder;
  const large = embedding === 4096;
  // The converter's: three and a half times the width, in whole 32s.
  const width = fields.optionalInt("intermediate_size", LIMITS.width) ?? Math.floor((embedding * 3.5) / 32) * 32;
  return {
    ...decoder,
    headSize: checkedHead(fields, embedding, fields.int("head_size", LIMITS.headDim)),
    width,
    shifts: 2,
    mixRank: large ? 64 : 32,
    decayRank: large ? 128 : 64,
    keyWidth: embedding,
    hybrid: false,
    fusedLerp: true,
    biases: false,
    hasFirst: true,
    normBias: true,
  };
}

function hybridFromConfig(fields: Fields): Rwkv6 {
  const plain = decoderFromConfig(fields, "rwkv6-qwen2", "rwkv6qwen2", UNTIED);
  const { embedding } = plain;
  const heads = fields.int("num_attention_heads", LIMITS.heads);
  const kvHeads = fields.int("num_key_value_heads", LIMITS.heads);
  if (fields.problems.length === 0 && (embedding % heads !== 0 || heads % kvHeads !== 0)) {
    fields.refuse(`a width of ${embedding}, ${heads} heads and ${kvHeads} KV heads do not divide`);
  }
  const headSize = Math.max(1, Math.floor(embedding / heads));
  const large = embedding >= 4096;
  return {
    ...plain,
    tied: false,
    context: RWKV_CONTEXT,
    headSize,
    width: fields.int("intermediate_size", LIMITS.width),
    shifts: 1,
    mixRank: fields.optionalInt("lora_rank_tokenshift", LIMITS.width) ?? (large ? 64 : 32),
    decayRank: fields.optionalInt("lora_rank_decay", LIMITS.width) ?? (large ? 128 : 64),
    keyWidth: kvHeads * headSize,
    hybrid: true,
    fusedLerp: true,
    biases: fields.optionalBool("attention_bias") ?? true,
    hasFirst: false,
    normBias: false,
  };
}

function fromGguf(fields: Fields, header: GgufHeader, hybrid: boolean): Rwkv6 {
  const decoder = decoderFromGguf(fields, header, hybrid ? "rwkv6-qwen2" : "rwkv6", UNTIED);
  const headSize = headSizeFromGguf(fields, decoder);
  const shared = fields.optionalInt("attention.head_count_kv", orNone(LIMITS.heads)) ?? 0;
  const own = decoder.embedding / headSize;
  const has = (name: string, otherwise: boolean): boolean => {
    const absent = lacks(header, name);
    return absent === null ? otherwise : !absent;
  };
  return {
    ...decoder,
    tied: false,
    headSize,
    width: fields.int("feed_forward_length", LIMITS.width),
    shifts: fields.optionalInt("token_shift_count", LIMITS.heads) ?? 2,
    mixRank: fields.int("time_mix_extra_dim", LIMITS.width),
    decayRank: fields.int("time_decay_extra_dim", LIMITS.width),
    keyWidth: hybrid && shared > 0 && shared !== own ? shared * headSize : decoder.embedding,
    hybrid,
    fusedLerp: has("blk.0.time_mix_lerp_fused.weight", true),
    biases: has("blk.0.time_mix_key.bias", hybrid),
    hasFirst: has("blk.0.time_mix_first.weight", !hybrid),
    normBias: has("output_norm.bias", !hybrid),
  };
}

function build(geometry: Rwkv6): Blocks {
  return {
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: rwkvOutside(geometry, geometry.normBias),
  };
}

export const rwkv6 = defineFamily<Rwkv6>({
  id: "rwkv6",
  modelTypes: ["rwkv6"],
  ggufArchitectures: ["rwkv6"],
  readConfig,
  readGguf: (fields, header) => fromGguf(fields, header, false),
  build,
});

/** Qwen 2 with rwkv 6 in the place of attention. */
export const rwkv6Qwen2 = defineFamily<Rwkv6>({
  id: "rwkv6-qwen2",
  modelTypes: ["rwkv6qwen2"],
  ggufArchitectures: ["rwkv6qwen2"],
  readConfig: hybridFromConfig,
  readGguf: (fields, header) => fromGguf(fields, header, true),
  build,
});
