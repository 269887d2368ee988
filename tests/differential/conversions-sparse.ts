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

/** The config's `qk_rope_head_dim` is 0, and the graph turns whole heads. */
const DEEPSEEK_OCR: Conversion = {
  write: (c) => ({ ...deepseekExperts(c), "rope.dimension_count": numberIn(c, "qk_rope_head_dim") }),
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

/** One latent row a token: one KV head as long as that. */
function latent(c: RawConfig): Record<string, number | boolean | string | null> {
  const rank = numberOf(c, "kv_lora_rank") ?? 512;
  const ropeDim = numberIn(c, "qk_rope_head_dim");
  return {
    ...deepseekExperts(c),
    "attention.head_count_kv": 1,
    "attention.q_lora_rank": numberOf(c, "q_lora_rank"),
    "attention.kv_lora_rank": rank,
    "attention.key_length": rank + ropeDim,
    "attention.value_length": rank,
    "attention.key_length_mla": numberIn(c, "qk_nope_head_dim") + ropeDim,
    "attention.value_length_mla": numberIn(c, "v_head_dim"),
    "rope.dimension_count": ropeDim,
    "rope.scaling.yarn_log_multiplier": yarnLog(c),
  };
}

function yarnLog(c: RawConfig): number | null {
  const scale = numberOf(ropeParameters(c), "mscale_all_dim");
  return scale === null ? null : 0.1 * scale;
}

function indexer(c: RawConfig): Record<string, number | readonly boolean[] | null> {
  const types = c.indexer_types;
  return {
    "attention.indexer.head_count": numberIn(c, "index_n_heads"),
    "attention.indexer.key_length": numberIn(c, "index_head_dim"),
    "attention.indexer.top_k": numberIn(c, "index_topk"),
    "attention.indexer.types": Array.isArray(types) ? types.map((type) => type === "full") : null,
  };
}

const MINIMAX_M3: Conversion = {
  write: (c) => {
    const sparse = isObject(c.sparse_attention_config) ? c.sparse_attention_config : {};
    const layers = c.moe_layer_freq as readonly number[];
    return {
      expert_feed_forward_length: numberIn(c, "intermediate_size"),
      "rope.dimension_count": numberIn(c, "rotary_dim"),
      expert_shared_count: numberIn(c, "n_shared_experts"),
      expert_weights_scale: numberIn(c, "routed_scaling_factor"),
      expert_weights_norm: true,
      "attention.indexer.head_count": numberIn(sparse, "sparse_num_index_heads"),
      "attention.indexer.key_length": numberIn(sparse, "sparse_index_dim"),
      "attention.indexer.top_k": numberIn(sparse, "sparse_topk_blocks"),
      "attention.indexer.block_size": numberIn(sparse, "sparse_block_size"),
      "attention.indexer.local_blocks": numberIn(sparse, "sparse_local_block"),
      leading_dense_block_count: layers.indexOf(1),
    };
  },
};

const EXAONE_MOE: Conversion = {
  write: (c) => {
    const width = numberIn(c, "moe_intermediate_size");
    const shared = numberIn(c, "num_shared_experts");
    return {
      "attention.sliding_window": numberIn(c, "sliding_window"),
      expert_feed_forward_length: width,
      expert_shared_count: shared,
      expert_shared_feed_forward_length: width * shared,
      expert_weights_scale: numberIn(c, "routed_scaling_factor"),
      expert_weights_norm: c.norm_topk_prob === true,
      leading_dense_block_count: numberIn(c, "first_k_dense_replace"),
    };
  },
};

const STEP35: Conversion = {
  write: (c) => {
    const windowed = (c.layer_types as readonly string[]).map((type) => type === "sliding_attention");
    const other = isObject(c.attention_other_setting) ? c.attention_other_setting : {};
    const either = (key: string) =>
      windowed.map((one) => (one ? (numberOf(other, key) ?? numberIn(c, key)) : numberIn(c, key)));
    return {
      "attention.head_count": either("num_attention_heads"),
      "attention.head_count_kv": either("num_attention_groups"),
      "attention.sliding_window": numberIn(c, "sliding_window"),
      "attention.sliding_window_pattern": windowed,
      "attention.value_length": numberIn(c, "head_dim"),
      expert_count: numberIn(c, "moe_num_experts"),
      expert_used_count: numberIn(c, "moe_top_k"),
      expert_feed_forward_length: numberIn(c, "moe_intermediate_size"),
      expert_shared_feed_forward_length: numberIn(c, "share_expert_dim"),
      leading_dense_block_count: Number(String(c.moe_layers_enum).split(",")[0]),
      moe_every_n_layers: 1,
      "rope.dimension_count": headDim(c),
    };
  },
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

const LLAMA4: Conversion = {
  write: (c) => {
    const types = c.layer_types;
    const allFull = Array.isArray(types) && types.length > 0 && types.every((type) => type === "full_attention");
    return {
      "rope.dimension_count": headDim(c),
      feed_forward_length: numberIn(c, "intermediate_size_mlp"),
      interleave_moe_layer_step: numberIn(c, "interleave_moe_layer_step"),
      expert_feed_forward_length: numberIn(c, "intermediate_size"),
      ...(allFull ? { "attention.sliding_window": 0 } : {}),
    };
  },
};

/** Without the three extra blocks that the converter writes: their tensors are not in a plan from a config. */
const MIMO2: Conversion = {
  write: (c) => {
    const windowed = c.hybrid_layer_pattern as readonly number[];
    return {
      "attention.head_count_kv": windowed.map((one) =>
        one === 1 ? numberIn(c, "swa_num_key_value_heads") : numberIn(c, "num_key_value_heads"),
      ),
      "attention.sliding_window": numberIn(c, "sliding_window"),
      "attention.sliding_window_pattern": windowed.map((one) => one === 1),
      "attention.value_length": numberIn(c, "v_head_dim"),
      expert_count: numberIn(c, "n_routed_experts"),
      expert_feed_forward_length: numberIn(c, "moe_intermediate_size"),
      "rope.dimension_count": Math.trunc(numberIn(c, "head_dim") * numberIn(c, "partial_rotary_factor")),
      "attention.layer_norm_rms_epsilon": numberOf(c, "layernorm_epsilon") ?? 1e-5,
      "attention.value_scale": numberOf(c, "attention_value_scale"),
    };
  },
};

const MINICPM3: Conversion = {
  write: (c) => ({
    "attention.q_lora_rank": numberIn(c, "q_lora_rank"),
    "attention.kv_lora_rank": numberIn(c, "kv_lora_rank"),
    "attention.key_length": numberIn(c, "qk_nope_head_dim") + numberIn(c, "qk_rope_head_dim"),
    "attention.value_length": null,
    "rope.dimension_count": numberIn(c, "qk_rope_head_dim"),
    "rope.scaling.type": null,
  }),
};

export const SPARSE: Conversions = {
  deepseek: DEEPSEEK,
  "deepseek2-ocr": DEEPSEEK_OCR,
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
  llama4: LLAMA4,
  mimo2: MIMO2,
  minicpm3: MINICPM3,
  deepseek2: { write: latent },
  deepseek32: { write: (c) => ({ ...latent(c), ...indexer(c) }) },
  "glm-dsa": { write: (c) => ({ ...latent(c), ...indexer(c) }) },
  "minimax-m3": MINIMAX_M3,
  "exaone-moe": EXAONE_MOE,
  step35: STEP35,
  "minimax-01": {
    write: (c) => ({
      residual_scale: numberIn(c, "layernorm_full_attention_alpha"),
      "rope.dimension_count": numberIn(c, "rotary_dim"),
    }),
  },
  qwen3vlmoe: {
    write: (c, base) => {
      const indexes = isObject(c.vision_config) ? c.vision_config.deepstack_visual_indexes : null;
      return {
        expert_feed_forward_length: numberIn(c, "moe_intermediate_size"),
        // The vision config's own list has three.
        n_deepstack_layers: Array.isArray(indexes) ? indexes.length : 3,
        "rope.dimension_sections": base["rope.dimension_sections"] ?? [24, 20, 20, 0],
      };
    },
  },
};
