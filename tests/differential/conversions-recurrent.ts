/** Conversions of recurrent models, hybrids and encoders. @source llama.cpp conversion/*.py of the architectures@v0.5.0 */
import type { RawConfig } from "../../src/math/arch/family.ts";
import { type Conversion, type Conversions, first, isObject, numberIn, numberOf, type Written } from "./conversion.ts";

/** The context that is written where the model has no limit. */
const UNLIMITED = 2 ** 20;

function padded(size: number, multiple: number): number {
  return Math.ceil(size / multiple) * multiple;
}

/** `value` where `has` of the layer, else 0. */
function where(c: RawConfig, value: number, has: (layer: number) => boolean): readonly number[] {
  return Array.from({ length: layersOf(c) }, (_, layer) => (has(layer) ? value : 0));
}

function layersOf(c: RawConfig): number {
  return listOf(c, "layers_block_type")?.length ?? numberIn(c, "num_hidden_layers");
}

function listOf(c: RawConfig, key: string): readonly unknown[] | null {
  const value = c[key];
  return Array.isArray(value) ? value : null;
}

const MAMBA: Conversion = {
  write: (c) => {
    const width = numberIn(c, "hidden_size", "d_model");
    return {
      context_length: UNLIMITED,
      embedding_length: width,
      feed_forward_length: 0,
      "attention.head_count": 0,
      "ssm.conv_kernel": numberOf(c, "conv_kernel", "d_conv") ?? 4,
      "ssm.inner_size": numberOf(c, "intermediate_size", "d_inner") ?? 2 * width,
      "ssm.state_size": numberOf(c, "state_size", "d_state") ?? 16,
      "ssm.time_step_rank": numberOf(c, "time_step_rank", "dt_rank") ?? Math.ceil(width / 16),
      "ssm.dt_b_c_rms": c.model_type === "falcon_mamba",
    };
  },
  vocabulary: (c) => padded(numberIn(c, "vocab_size"), numberOf(c, "pad_vocab_size_multiple") ?? 8),
};

const JAMBA: Conversion = {
  write: (c) => {
    const width = numberIn(c, "hidden_size");
    const [offset, period] = [numberIn(c, "attn_layer_offset"), numberIn(c, "attn_layer_period")];
    return {
      "attention.head_count_kv": where(c, numberIn(c, "num_key_value_heads"), (layer) => layer % period === offset),
      "ssm.conv_kernel": numberOf(c, "mamba_d_conv") ?? 4,
      "ssm.inner_size": numberIn(c, "mamba_expand") * width,
      "ssm.state_size": numberOf(c, "mamba_d_state") ?? 16,
      "ssm.time_step_rank": numberOf(c, "mamba_dt_rank") ?? Math.ceil(width / 16),
    };
  },
};

/** Layers of a block's kind: `hybrid_override_pattern`, a letter a layer, or the kinds in words. */
function blocks(c: RawConfig, letter: string, words: readonly string[]): (layer: number) => boolean {
  const pattern = c.hybrid_override_pattern;
  if (typeof pattern === "string" && pattern !== "") return (layer) => pattern[layer] === letter;
  const kinds = listOf(c, "layers_block_type");
  return (layer) => words.includes(String(kinds?.[layer]));
}

/** As with --no-mtp: the extra block is not in a plan from a config. */
function nemotronH(c: RawConfig, letter: string, width: string): Written {
  const heads = numberIn(c, "num_heads", "mamba_num_heads");
  const headDim = numberIn(c, "head_dim", "attention_head_dim");
  const attends = blocks(c, "*", ["attention", "full_attention"]);
  return {
    block_count: layersOf(c),
    context_length: UNLIMITED,
    "attention.key_length": headDim,
    "attention.value_length": headDim,
    "attention.head_count_kv": where(c, numberIn(c, "num_key_value_heads"), attends),
    feed_forward_length: where(c, numberIn(c, width), blocks(c, letter, ["moe"])),
    "ssm.conv_kernel": numberIn(c, "conv_kernel"),
    "ssm.state_size": numberIn(c, "ssm_state_size"),
    "ssm.group_count": numberIn(c, "n_groups"),
    "ssm.inner_size": heads * numberIn(c, "mamba_head_dim"),
    "ssm.time_step_rank": heads,
    "rope.scaling.finetuned": false,
  };
}

const NEMOTRON_H: Conversion = {
  write: (c) => nemotronH(c, "-", "intermediate_size"),
  vocabulary: (c) => padded(numberIn(c, "vocab_size"), 8),
};

const NEMOTRON_H_MOE: Conversion = {
  ...NEMOTRON_H,
  write: (c) => ({
    ...nemotronH(c, "E", "moe_intermediate_size"),
    expert_feed_forward_length: numberIn(c, "moe_intermediate_size"),
    expert_shared_feed_forward_length: numberIn(c, "moe_shared_expert_intermediate_size"),
    expert_shared_count: numberIn(c, "n_shared_experts"),
    expert_weights_norm: c.norm_topk_prob === true,
    expert_weights_scale: numberIn(c, "routed_scaling_factor"),
    moe_latent_size: numberOf(c, "moe_latent_size"),
  }),
};

function attendsInHybrid(c: RawConfig): (layer: number) => boolean {
  const types = listOf(c, "layer_types");
  if (types !== null) return (layer) => types[layer] === "attention";
  const indices = listOf(c, "attn_layer_indices");
  if (indices !== null && indices.length > 0) return (layer) => indices.includes(layer);
  const [offset, period] = [numberIn(c, "attn_layer_offset"), numberIn(c, "attn_layer_period")];
  return (layer) => layer % period === offset;
}

/** Granite 4 and bamba; only bamba turns its queries and keys. */
const GRANITE_HYBRID: Conversion = {
  write: (c) => {
    const turns = listOf(c, "architectures")?.includes("BambaForCausalLM") === true;
    const width = numberOf(c, "mamba_head_dim") ?? numberIn(c, "hidden_size");
    return {
      ...(turns ? {} : { context_length: UNLIMITED }),
      "attention.key_length": null,
      "attention.value_length": null,
      "attention.scale": numberOf(c, "attention_multiplier"),
      embedding_scale: numberOf(c, "embedding_multiplier"),
      residual_scale: numberOf(c, "residual_multiplier"),
      logit_scale: numberOf(c, "logits_scaling"),
      expert_shared_feed_forward_length: numberOf(c, "shared_intermediate_size"),
      "attention.head_count_kv": where(c, numberIn(c, "num_key_value_heads"), attendsInHybrid(c)),
      "rope.dimension_count":
        numberOf(c, "attn_rotary_emb") ?? numberIn(c, "hidden_size") / numberIn(c, "num_attention_heads"),
      "rope.scaling.finetuned": turns,
      "ssm.conv_kernel": numberIn(c, "mamba_d_conv"),
      "ssm.state_size": numberIn(c, "mamba_d_state"),
      "ssm.group_count": numberIn(c, "mamba_n_groups"),
      "ssm.inner_size": numberIn(c, "mamba_expand") * width,
      "ssm.time_step_rank": numberIn(c, "mamba_n_heads"),
    };
  },
  vocabulary: (c) => padded(numberIn(c, "vocab_size"), 8),
};

/** The converter insists on mamba_d_ssm; a config without it is of heads by their width. */
const FALCON_H1: Conversion = {
  write: (c) => {
    const headDim = numberIn(c, "mamba_d_head");
    const inner = numberOf(c, "mamba_d_ssm") ?? numberIn(c, "mamba_n_heads") * headDim;
    return {
      "ssm.conv_kernel": numberOf(c, "mamba_d_conv") ?? 4,
      "ssm.inner_size": inner,
      "ssm.state_size": numberOf(c, "mamba_d_state") ?? 128,
      "ssm.time_step_rank": inner / headDim,
      "ssm.group_count": numberIn(c, "mamba_n_groups"),
    };
  },
};

function shortConvolutions(c: RawConfig, attends: (kind: unknown) => boolean): Written {
  const kinds = listOf(c, "layer_types") ?? [];
  return {
    "attention.head_count_kv": where(c, numberIn(c, "num_key_value_heads"), (layer) => attends(kinds[layer])),
    "shortconv.l_cache": numberIn(c, "conv_L_cache"),
  };
}

const LFM2: Conversion = {
  write: (c) => {
    const given = numberIn(c, "block_ff_dim", "intermediate_size");
    const factor = numberOf(c, "block_ffn_dim_multiplier") ?? 1;
    const adjusted = padded(Math.trunc(factor * Math.trunc((2 * given) / 3)), numberIn(c, "block_multiple_of"));
    return {
      ...shortConvolutions(c, (kind) => kind !== "conv"),
      feed_forward_length: c.block_auto_adjust_ff_dim === true ? adjusted : given,
    };
  },
};

const LFM2_MOE: Conversion = {
  write: (c) => ({
    ...shortConvolutions(c, (kind) => kind === "full_attention"),
    expert_feed_forward_length: numberIn(c, "moe_intermediate_size"),
    leading_dense_block_count: numberIn(c, "num_dense_layers"),
    expert_gating_func: 2,
  }),
};

const RWKV6: Conversion = {
  write: (c) => {
    const width = numberIn(c, "hidden_size");
    return {
      context_length: UNLIMITED,
      rescale_every_n_layers: numberIn(c, "rescale_every"),
      "wkv.head_size": numberIn(c, "head_size"),
      time_mix_extra_dim: width === 4096 ? 64 : 32,
      time_decay_extra_dim: width === 4096 ? 128 : 64,
      feed_forward_length: numberOf(c, "intermediate_size") ?? Math.floor((width * 3.5) / 32) * 32,
      "attention.head_count": 0,
    };
  },
};

/** Ranks are the converter's own, whatever the config says. */
const ARWKV7: Conversion = {
  write: (c) => ({
    context_length: UNLIMITED,
    "wkv.head_size": numberIn(c, "head_size"),
    "attention.decay_lora_rank": 64,
    "attention.iclr_lora_rank": 64,
    "attention.value_residual_mix_lora_rank": 32,
    "attention.gate_lora_rank": c.wkv_has_gate === false ? 0 : 128,
    "attention.head_count": 0,
    token_shift_count: 1,
  }),
};

const KIMI_LINEAR: Conversion = {
  write: (c) => {
    const linear = isObject(c.linear_attn_config) ? c.linear_attn_config : {};
    const attending = listOf(linear, "full_attn_layers") ?? [];
    const [rank, ropeDim] = [numberIn(c, "kv_lora_rank"), numberIn(c, "qk_rope_head_dim")];
    return {
      "attention.head_count_kv": where(c, 1, (layer) => attending.includes(layer + 1)),
      "ssm.conv_kernel": numberOf(linear, "short_conv_kernel_size"),
      "kda.head_dim": numberOf(linear, "head_dim"),
      "attention.q_lora_rank": numberOf(c, "q_lora_rank"),
      "attention.kv_lora_rank": rank,
      "rope.dimension_count": ropeDim,
      "attention.key_length": rank + ropeDim,
      "attention.key_length_mla": numberIn(c, "qk_nope_head_dim") + ropeDim,
      "attention.value_length_mla": numberIn(c, "v_head_dim"),
      expert_feed_forward_length: numberIn(c, "moe_intermediate_size"),
      expert_shared_count: numberIn(c, "num_shared_experts"),
      leading_dense_block_count: numberIn(c, "first_k_dense_replace"),
      expert_weights_scale: numberIn(c, "routed_scaling_factor"),
    };
  },
};

/** null: none, or the two that transformers makes up. */
function labelsOf(c: RawConfig): readonly string[] | null {
  const labels = isObject(c.id2label) ? Object.values(c.id2label).map(String) : [];
  return labels.length === 0 || (labels.length === 2 && labels[0] === "LABEL_0") ? null : labels;
}

/** RoBERTa's positions begin after the padding token's. */
const BERT: Conversion = {
  write: (c, base) => {
    const offset = /roberta/.test(String(c.model_type)) ? (numberOf(c, "pad_token_id") ?? -1) + 1 : 0;
    return {
      "attention.causal": false,
      context_length: Number(base.context_length) - offset,
      "tokenizer.ggml.token_type_count": numberOf(c, "type_vocab_size") ?? 1,
      "classifier.output_labels": labelsOf(c),
    };
  },
  vocabulary: (c) => Number(first(c, "vocab_size")),
};

export const RECURRENT: Conversions = {
  mamba: MAMBA,
  jamba: JAMBA,
  nemotron_h: NEMOTRON_H,
  nemotron_h_moe: NEMOTRON_H_MOE,
  granitehybrid: GRANITE_HYBRID,
  "falcon-h1": FALCON_H1,
  lfm2: LFM2,
  lfm2moe: LFM2_MOE,
  rwkv6: RWKV6,
  arwkv7: ARWKV7,
  "kimi-linear": KIMI_LINEAR,
  bert: BERT,
};
