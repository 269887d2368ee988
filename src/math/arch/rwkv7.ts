/**
 * rwkv 7 ("Goose") and its mixer in a transformer (arwkv): each layer's values are joined with the first layer's.
 * @source llama.cpp src/models/rwkv7.cpp, arwkv7.cpp, conversion/rwkv.py@v0.5.0
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

interface Ranks {
  readonly decay: number;
  readonly rate: number;
  readonly value: number;
  /** 0: no gate. */
  readonly gate: number;
}

interface Rwkv7 extends Rwkv {
  readonly ranks: Ranks;
  readonly hybrid: boolean;
  readonly groupNorm: boolean;
  readonly normBias: boolean;
}

function layer(geometry: Rwkv7, index: number): LayerSpec {
  const { embedding: E, width, hybrid } = geometry;
  const mixer = rwkvMixer("rwkv7", geometry);
  const mixing = [...timeMix(geometry, index), ...(geometry.groupNorm ? layerNorm(index, "time_mix_ln", E) : [])];
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
    blockTensor(index, "channel_mix_lerp_k.weight", [E, 1, 1], "feed-forward"),
    blockTensor(index, "channel_mix_key.weight", [E, width], "feed-forward"),
    blockTensor(index, "channel_mix_value.weight", [width, E], "feed-forward"),
  ]);
}

function timeMix({ embedding: E, ranks }: Rwkv7, index: number): readonly TensorSpec[] {
  // The first layer has no values before it: its tensors of that name are a copy of others.
  const value = index === 0 ? ranks.rate : ranks.value;
  const low = (name: string, rank: number): readonly TensorSpec[] => [
    vector(index, `time_mix_${name}0`, E),
    matrix(index, `time_mix_${name}1`, E, rank),
    matrix(index, `time_mix_${name}2`, rank, E),
  ];
  return [
    ...low("w", ranks.decay),
    ...low("a", ranks.rate),
    ...low("v", value),
    ...(ranks.gate > 0
      ? [matrix(index, "time_mix_g1", E, ranks.gate), matrix(index, "time_mix_g2", ranks.gate, E)]
      : []),
    blockTensor(index, "time_mix_lerp_fused.weight", [E, 1, 1, ranks.gate > 0 ? 6 : 5], "state"),
    vector(index, "time_mix_k_k", E),
    vector(index, "time_mix_k_a", E),
    vector(index, "time_mix_r_k", E),
    matrix(index, "time_mix_key", E, E),
    matrix(index, "time_mix_value", E, E),
    matrix(index, "time_mix_receptance", E, E),
    matrix(index, "time_mix_output", E, E),
  ];
}

/** Python's, with halves to the even neighbour. */
function roundedToEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}

function defaultRank(width: number, exponent: number, factor: number): number {
  return Math.max(1, roundedToEven((width ** exponent * factor) / 32)) * 32;
}

function readConfig(fields: Fields): Rwkv7 {
  const decoder = { ...decoderFromConfig(fields, "rwkv7", "rwkv7", UNTIED), tied: false, context: RWKV_CONTEXT };
  const { embedding: E } = decoder;
  const rank = (keys: readonly string[], exponent: number, factor: number): number => {
    const key = keys.find((name) => fields.has(name));
    return key === undefined ? defaultRank(E, exponent, factor) : fields.int(key, LIMITS.width);
  };
  const head = fields.has("head_size") ? "head_size" : "head_dim";
  return {
    ...decoder,
    headSize: checkedHead(fields, E, fields.int(head, LIMITS.headDim)),
    width: fields.optionalInt("intermediate_size", LIMITS.width) ?? 4 * E,
    shifts: 2,
    ranks: {
      decay: rank(["lora_rank_decay", "decay_low_rank_dim"], 0.5, 1.8),
      rate: rank(["lora_rank_iclr", "a_low_rank_dim"], 0.5, 1.8),
      value: rank(["lora_rank_value_residual_mix", "v_low_rank_dim"], 0.5, 1.3),
      gate: rank(["lora_rank_gate", "gate_low_rank_dim"], 0.8, 0.6),
    },
    hybrid: false,
    groupNorm: true,
    normBias: true,
  };
}

function hybridFromConfig(fields: Fields): Rwkv7 {
  const plain = decoderFromConfig(fields, "arwkv7", "arwkv7", UNTIED);
  if (fields.has("wkv_version") && !fields.is("wkv_version", 7))
    fields.refuse("wkv_version is not 7: llama.cpp converts no other");
  const gated = fields.optionalBool("wkv_has_gate") ?? true;
  return {
    ...plain,
    tied: false,
    context: RWKV_CONTEXT,
    headSize: checkedHead(fields, plain.embedding, fields.int("head_size", LIMITS.headDim)),
    width: fields.int("intermediate_size", LIMITS.width),
    shifts: 1,
    // The converter's own, whatever the config says.
    ranks: { decay: 64, rate: 64, value: 32, gate: gated ? 128 : 0 },
    hybrid: true,
    groupNorm: false,
    normBias: false,
  };
}

function fromGguf(fields: Fields, header: GgufHeader, hybrid: boolean): Rwkv7 {
  const decoder = decoderFromGguf(fields, header, hybrid ? "arwkv7" : "rwkv7", UNTIED);
  const groupNorm = lacks(header, "blk.0.time_mix_ln.weight");
  return {
    ...decoder,
    tied: false,
    headSize: headSizeFromGguf(fields, decoder),
    width: fields.int("feed_forward_length", LIMITS.width),
    shifts: fields.optionalInt("token_shift_count", LIMITS.heads) ?? 2,
    ranks: {
      decay: fields.int("attention.decay_lora_rank", LIMITS.width),
      rate: fields.int("attention.iclr_lora_rank", LIMITS.width),
      value: fields.int("attention.value_residual_mix_lora_rank", LIMITS.width),
      gate: fields.optionalInt("attention.gate_lora_rank", orNone(LIMITS.width)) ?? 0,
    },
    hybrid,
    groupNorm: groupNorm === null ? !hybrid : !groupNorm,
    normBias: !hybrid,
  };
}

function build(geometry: Rwkv7): Blocks {
  return {
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: rwkvOutside(geometry, geometry.normBias),
  };
}

export const rwkv7 = defineFamily<Rwkv7>({
  id: "rwkv7",
  modelTypes: ["rwkv7"],
  ggufArchitectures: ["rwkv7"],
  readConfig,
  readGguf: (fields, header) => fromGguf(fields, header, false),
  build,
});

/** Qwen 2.5 with rwkv 7 in the place of attention. */
export const arwkv7 = defineFamily<Rwkv7>({
  id: "arwkv7",
  modelTypes: ["rwkv_hybrid"],
  ggufArchitectures: ["arwkv7"],
  readConfig: hybridFromConfig,
  readGguf: (fields, header) => fromGguf(fields, header, true),
  build,
});
