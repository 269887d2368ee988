/** Conversions of dense decoders. @source llama.cpp conversion/*.py of the architectures@v0.5.0 */
import type { RawConfig } from "../../src/math/arch/family.ts";
import {
  type Conversion,
  type Conversions,
  isObject,
  numberIn,
  numberOf,
  PLAIN,
  ropeParameters,
} from "./conversion.ts";

/** As base.py writes it, and the size of what is rotated. */
const LLAMA: Conversion = {
  write: (c) => ({ "rope.dimension_count": numberOf(c, "head_dim") ?? headShare(c) }),
};

function headShare(c: RawConfig): number {
  return Math.floor(numberIn(c, "hidden_size", "n_embd") / numberIn(c, "num_attention_heads", "n_head"));
}

function rotated(c: RawConfig, otherwise: number | null = null): number {
  const share = numberOf(ropeParameters(c), "partial_rotary_factor") ?? otherwise;
  if (share === null) throw new Error("Cannot convert: config.json has no partial_rotary_factor");
  return Math.trunc(share * headShare(c));
}

export function areSliding(types: unknown): readonly boolean[] | null {
  return Array.isArray(types) ? types.map((type) => type === "sliding_attention") : null;
}

/** Every `period`-th layer sees everything. */
function everyFull(c: RawConfig, period: number): readonly boolean[] {
  return Array.from({ length: numberIn(c, "num_hidden_layers") }, (_, i) => (i + 1) % period !== 0);
}

/** A config without these fields' base keys: the converter writes its own list and nothing else. */
const NOTHING = {
  context_length: null,
  embedding_length: null,
  feed_forward_length: null,
  "attention.head_count": null,
  "attention.head_count_kv": null,
  "attention.key_length": null,
  "attention.value_length": null,
  "rope.freq_base": null,
} as const;

const GEMMA: Conversion = {
  write: (c) => ({
    "attention.head_count_kv": numberOf(c, "num_key_value_heads") ?? numberIn(c, "num_attention_heads"),
    "rope.freq_base": null,
  }),
};

const GEMMA4: Conversion = {
  write: (c) => {
    const sliding = areSliding(c.layer_types) ?? [];
    const shared = numberOf(c, "num_kv_shared_layers") ?? 0;
    const width = numberIn(c, "intermediate_size");
    const [kv, kvFull] = [numberIn(c, "num_key_value_heads"), numberOf(c, "num_global_key_value_heads")];
    const headDim = numberIn(c, "global_head_dim");
    return {
      "attention.sliding_window": numberIn(c, "sliding_window"),
      "attention.sliding_window_pattern": sliding,
      "attention.shared_kv_layers": shared,
      embedding_length_per_layer_input: numberOf(c, "hidden_size_per_layer_input") ?? 0,
      "attention.key_length": headDim,
      "attention.value_length": headDim,
      "attention.key_length_swa": numberIn(c, "head_dim"),
      "attention.value_length_swa": numberIn(c, "head_dim"),
      "rope.dimension_count": headDim,
      "rope.dimension_count_swa": numberIn(c, "head_dim"),
      expert_feed_forward_length: numberOf(c, "expert_intermediate_size", "moe_intermediate_size"),
      feed_forward_length:
        c.use_double_wide_mlp === true
          ? sliding.map((_, i) => (i < sliding.length - shared ? width : 2 * width))
          : width,
      "attention.head_count_kv": kvFull === null ? kv : sliding.map((window) => (window ? kv : kvFull)),
      final_logit_softcapping: numberOf(c, "final_logit_softcapping"),
    };
  },
};

const GRANITE: Conversion = {
  write: (c, base) => ({
    ...LLAMA.write({ ...c, head_dim: null }, base),
    "attention.key_length": null,
    "attention.value_length": null,
    "attention.scale": numberOf(c, "attention_multiplier"),
    embedding_scale: numberOf(c, "embedding_multiplier"),
    residual_scale: numberOf(c, "residual_multiplier"),
    logit_scale: numberOf(c, "logits_scaling"),
  }),
};

const GPT2: Conversion = {
  write: (c) => ({
    ...NOTHING,
    context_length: numberIn(c, "n_ctx", "n_positions"),
    embedding_length: numberIn(c, "n_embd"),
    feed_forward_length: 4 * numberIn(c, "n_embd"),
    "attention.head_count": numberIn(c, "n_head"),
    "attention.layer_norm_epsilon": numberIn(c, "layer_norm_epsilon"),
  }),
};

const MPT: Conversion = {
  write: (c) => {
    const attention = isObject(c.attn_config) ? c.attn_config : {};
    return {
      ...NOTHING,
      context_length: numberIn(c, "max_seq_len"),
      embedding_length: numberIn(c, "d_model"),
      feed_forward_length: 4 * numberIn(c, "d_model"),
      "attention.head_count": numberIn(c, "n_heads"),
      "attention.head_count_kv": numberOf(attention, "kv_n_heads"),
      "attention.layer_norm_epsilon": 1e-5,
      "attention.clamp_kqv": numberOf(attention, "clip_qkv"),
      "attention.max_alibi_bias": attention.alibi === true ? numberIn(attention, "alibi_bias_max") : 0,
    };
  },
};

const CHATGLM: Conversion = {
  write: (c) => ({
    ...NOTHING,
    context_length: numberOf(c, "seq_length") ?? numberIn(c, "hidden_size"),
    embedding_length: numberIn(c, "hidden_size"),
    feed_forward_length: numberOf(c, "ffn_hidden_size", "intermediate_size") ?? 4 * numberIn(c, "hidden_size"),
    "attention.head_count": numberIn(c, "n_head", "num_attention_heads"),
    "attention.head_count_kv":
      numberOf(c, "multi_query_group_num", "num_key_value_heads") ?? numberIn(c, "num_attention_heads"),
    "attention.layer_norm_rms_epsilon": numberOf(c, "layernorm_epsilon") ?? 1e-5,
    "rope.dimension_count": Math.trunc(
      (numberOf(c, "attention_dim") ?? headShare(c)) * (numberOf(ropeParameters(c), "partial_rotary_factor") ?? 0.5),
    ),
    "rope.freq_base": 10_000 * (numberOf(c, "rope_ratio") ?? 1),
  }),
};

interface DeciBlock {
  readonly attention: { readonly n_heads_in_group: number | null; readonly replace_with_linear?: boolean };
  readonly ffn: { readonly ffn_mult: number | null };
}

/** Rounded up to 256: 2/3 of the width times the factor, as nemotron's own code does. */
function deciWidth(factor: number, embedding: number): number {
  const width = Math.trunc((2 * factor * embedding) / 3);
  return Math.ceil(width / 256) * 256;
}

const DECI: Conversion = {
  write: (c, base) => {
    const blocks = c.block_configs as readonly DeciBlock[] | undefined;
    const heads = numberIn(c, "num_attention_heads");
    if (blocks === undefined) return LLAMA.write(c, base);
    return {
      ...LLAMA.write(c, base),
      "attention.head_count_kv": blocks.map(({ attention: { n_heads_in_group: group } }) =>
        group === null ? 0 : Math.floor(heads / group),
      ),
      "attention.head_count": blocks.map(({ attention: { n_heads_in_group: group, replace_with_linear: linear } }) =>
        group === null && linear !== true ? 0 : heads,
      ),
      feed_forward_length: blocks.map(({ ffn }) => deciWidth(ffn.ffn_mult ?? 0, numberIn(c, "hidden_size"))),
      "attention.key_length": headShare(c),
      "attention.value_length": headShare(c),
    };
  },
};

/** Numbers of the activation come from the weights: any will do. */
const XIELU = { "xielu.alpha_n": 0.5, "xielu.alpha_p": 0.5, "xielu.beta": 0.5, "xielu.eps": 0.000_001 } as const;

export const DENSE: Conversions = {
  llama: LLAMA,
  qwen2: PLAIN,
  qwen3: PLAIN,
  gemma: GEMMA,
  gemma2: {
    write: (c, base) => ({ ...GEMMA.write(c, base), "attention.sliding_window": numberIn(c, "sliding_window") }),
  },
  gemma4: GEMMA4,
  phi2: {
    write: (c) => ({
      ...NOTHING,
      context_length: numberIn(c, "n_positions", "max_position_embeddings"),
      embedding_length: numberIn(c, "hidden_size", "n_embd"),
      feed_forward_length: 4 * numberIn(c, "hidden_size", "n_embd"),
      "attention.head_count": numberIn(c, "num_attention_heads", "n_head"),
      "attention.head_count_kv": numberIn(c, "num_attention_heads", "n_head"),
    }),
  },
  olmo: { write: (c) => ({ "attention.layer_norm_epsilon": 1e-5, "attention.clamp_kqv": numberOf(c, "clip_qkv") }) },
  olmo2: {
    write: (c) =>
      numberOf(c, "sliding_window") === null
        ? {}
        : {
            "attention.sliding_window": numberIn(c, "sliding_window"),
            "attention.sliding_window_pattern": areSliding(c.layer_types) ?? everyFull(c, 4),
          },
  },
  granite: GRANITE,
  "command-r": { write: (c) => ({ logit_scale: numberIn(c, "logit_scale") }) },
  cohere2: {
    write: (c) => ({
      logit_scale: numberIn(c, "logit_scale"),
      "attention.sliding_window": numberIn(c, "sliding_window"),
      "rope.dimension_count": Math.trunc(numberIn(c, "rotary_pct") * headShare(c)),
    }),
  },
  exaone: { write: (c) => ({ "rope.dimension_count": rotated(c, 1) }) },
  exaone4: {
    write: (c) => {
      const window = numberOf(c, "sliding_window");
      const pattern = c.sliding_window_pattern;
      if (window === null) return {};
      const layers = numberIn(c, "num_hidden_layers");
      const byLetter = (letters: string): readonly boolean[] =>
        Array.from({ length: layers }, (_, i) => letters[i % letters.length] === "L");
      const listed = typeof pattern === "string" ? byLetter(pattern) : everyFull(c, Number(pattern ?? 4));
      return {
        "attention.sliding_window": window,
        "attention.sliding_window_pattern": areSliding(c.layer_types) ?? listed,
      };
    },
  },
  smollm3: LLAMA,
  internlm2: PLAIN,
  minicpm: {
    write: (c) => ({
      embedding_scale: numberIn(c, "scale_emb"),
      residual_scale: numberIn(c, "scale_depth") / Math.sqrt(numberIn(c, "num_hidden_layers")),
      logit_scale: numberIn(c, "hidden_size") / numberIn(c, "dim_model_base"),
    }),
  },
  baichuan: { write: (c) => ({ "rope.dimension_count": headShare(c) }) },
  chatglm: CHATGLM,
  starcoder: {
    write: (c, base) => ({
      ...GPT2.write(c, base),
      context_length: numberIn(c, "n_positions"),
      "attention.head_count_kv": 1,
    }),
  },
  starcoder2: PLAIN,
  falcon: {
    write: (c) => ({
      ...NOTHING,
      context_length: 2048,
      embedding_length: numberIn(c, "hidden_size"),
      feed_forward_length: 4 * numberIn(c, "hidden_size"),
      "attention.head_count": numberIn(c, "num_attention_heads", "n_head"),
      "attention.head_count_kv": numberOf(c, "num_kv_heads", "n_head_kv") ?? 1,
      "attention.layer_norm_epsilon": numberIn(c, "layer_norm_epsilon"),
    }),
  },
  mpt: MPT,
  gpt2: GPT2,
  gptneox: {
    write: (c) => ({
      "rope.dimension_count": Math.trunc(numberIn(c, "rotary_pct") * headShare(c)),
      use_parallel_residual: c.use_parallel_residual !== false,
    }),
  },
  bloom: {
    write: (c, base) => ({
      ...base,
      context_length: numberOf(c, "seq_length") ?? numberIn(c, "hidden_size", "n_embed"),
      embedding_length: numberIn(c, "hidden_size", "n_embed"),
      feed_forward_length: 4 * numberIn(c, "hidden_size", "n_embed"),
      "attention.head_count_kv": numberIn(c, "n_head", "num_attention_heads"),
    }),
  },
  codeshell: {
    write: (c, base) => ({
      ...GPT2.write(c, base),
      context_length: numberIn(c, "n_positions"),
      "attention.head_count_kv": numberIn(c, "num_query_groups"),
      "rope.freq_base": 10_000,
    }),
  },
  stablelm: {
    write: (c) => ({
      "rope.dimension_count": rotated(c),
      use_parallel_residual: c.use_parallel_residual !== false,
      "attention.layer_norm_epsilon": numberIn(c, "layer_norm_eps", "norm_eps"),
    }),
  },
  ernie4_5: PLAIN,
  nemotron: {
    write: (c) => ({
      "attention.layer_norm_epsilon": numberIn(c, "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps"),
      "rope.dimension_count": rotated(c),
    }),
  },
  deci: DECI,
  qwen: PLAIN,
  qwen2vl: PLAIN,
  qwen3vl: {
    write: (c, base) => {
      const vision = isObject(c.vision_config) ? c.vision_config : {};
      const indexes = vision.deepstack_visual_indexes;
      return {
        "rope.dimension_sections": base["rope.dimension_sections"] ?? [24, 20, 20, 0],
        // Where the tower's part of the config was left out: three, as all published models have.
        n_deepstack_layers: Array.isArray(indexes) ? indexes.length : 3,
      };
    },
  },
  // What its config calls an RMS norm is a layer norm.
  orion: {
    write: (c) => ({
      "attention.layer_norm_rms_epsilon": null,
      "attention.layer_norm_epsilon": numberIn(c, "rms_norm_eps"),
    }),
  },
  xverse: { write: (c) => ({ "rope.dimension_count": headShare(c) }) },
  seed_oss: PLAIN,
  arcee: LLAMA,
  apertus: { write: (c, base) => ({ ...LLAMA.write(c, base), ...XIELU }) },
  "hunyuan-dense": { write: () => ({ expert_count: null, expert_used_count: null }) },
  plamo: { write: () => ({ context_length: 4096, "attention.head_count_kv": 5 }) },
  bitnet: PLAIN,
  refact: {
    write: (c, base) => {
      const width = Math.trunc((2 * 4 * numberIn(c, "n_embd")) / 3);
      return {
        ...GPT2.write(c, base),
        context_length: numberIn(c, "n_positions"),
        feed_forward_length: 256 * Math.ceil(width / 256),
        "attention.head_count_kv": 1,
        "attention.layer_norm_epsilon": null,
        "attention.layer_norm_rms_epsilon": numberIn(c, "layer_norm_epsilon"),
      };
    },
  },
};
