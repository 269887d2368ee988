/** Conversions of architectures with experts or latent attention. @source llama.cpp conversion/*.py of the architectures@v0.5.0 */
import type { RawConfig } from "../../src/math/arch/family.ts";
import { type Conversion, type Conversions, isObject, numberIn, numberOf, ropeParameters } from "./conversion.ts";

function headDim(c: RawConfig): number {
  return numberOf(c, "head_dim") ?? Math.floor(numberIn(c, "hidden_size") / numberIn(c, "num_attention_heads"));
}

function partOfHead(c: RawConfig, otherwise: number): number {
  return Math.trunc(headDim(c) * (numberOf(ropeParameters(c), "partial_rotary_factor") ?? otherwise));
}

/** What DeepSeek's configs say of experts. */
function deepseekExperts(c: RawConfig): Record<string, number | boolean | null> {
  return {
    leading_dense_block_count: numberIn(c, "first_k_dense_replace"),
    expert_feed_forward_length: numberIn(c, "moe_intermediate_size"),
    expert_count: numberIn(c, "n_routed_experts"),
    expert_shared_count: numberOf(c, "n_shared_experts") ?? 0,
    expert_weights_scale: numberOf(c, "routed_scaling_factor"),
    expert_weights_norm: c.norm_topk_prob === true ? true : null,
  };
}

const DEEPSEEK: Conversion = {
  write: (c) => ({ ...deepseekExperts(c), "rope.dimension_count": headDim(c), expert_weights_scale: 1 }),
};

const PHIMOE: Conversion = {
  write: (c, base) => ({
    "attention.head_count_kv": numberOf(c, "num_key_value_heads") ?? base["attention.head_count"] ?? null,
    "rope.dimension_count": partOfHead(c, 1),
    "rope.scaling.original_context_length": numberOf(c, "original_max_position_embeddings"),
    "attention.sliding_window": numberOf(c, "sliding_window") ?? 0,
    "attention.key_length": null,
    "attention.value_length": null,
  }),
};

const DBRX: Conversion = {
  write: (c) => {
    const attention = isObject(c.attn_config) ? c.attn_config : {};
    const experts = isObject(c.ffn_config) ? c.ffn_config : {};
    return {
      block_count: numberIn(c, "n_layers"),
      context_length: numberIn(c, "max_seq_len"),
      embedding_length: numberIn(c, "d_model"),
      feed_forward_length: numberIn(experts, "ffn_hidden_size"),
      "attention.head_count": numberIn(c, "n_heads"),
      "attention.head_count_kv": numberIn(attention, "kv_n_heads"),
      "rope.freq_base": numberIn(attention, "rope_theta"),
      "attention.clamp_kqv": numberIn(attention, "clip_qkv"),
      expert_count: numberIn(experts, "moe_num_experts"),
      expert_used_count: numberIn(experts, "moe_top_k"),
      "attention.layer_norm_epsilon": 1e-5,
    };
  },
};

/** With the extra block, as the converter writes it unless told otherwise: its tensors are not in a plan from a config. */
const GLM4_MOE: Conversion = {
  write: (c) => ({
    ...deepseekExperts(c),
    "rope.dimension_count": partOfHead(c, 0.5),
    expert_gating_func: 2,
    block_count: numberIn(c, "num_hidden_layers"),
  }),
};

function first(value: unknown): number | null {
  const one: unknown = Array.isArray(value) ? value[0] : value;
  return typeof one === "number" ? one : null;
}

const HUNYUAN_MOE: Conversion = {
  write: (c, base) => ({
    expert_shared_feed_forward_length: numberIn(c, "intermediate_size"),
    expert_feed_forward_length: first(c.moe_intermediate_size),
    expert_used_count: first(c.moe_topk),
    expert_shared_count: first(c.num_shared_expert),
    context_length: ropeParameters(c).rope_type === "dynamic" ? 262_144 : (base.context_length ?? null),
  }),
};

export const SPARSE: Conversions = {
  deepseek: DEEPSEEK,
  olmoe: { write: () => ({}) },
  phimoe: PHIMOE,
  dbrx: DBRX,
  glm4moe: GLM4_MOE,
  "minimax-m2": {
    write: (c) => ({
      expert_feed_forward_length: numberIn(c, "intermediate_size"),
      "rope.dimension_count": numberIn(c, "rotary_dim"),
    }),
  },
  "hunyuan-moe": HUNYUAN_MOE,
};
