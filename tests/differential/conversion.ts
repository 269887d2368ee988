/** What the conversions of all architectures share: the keys that every text model writes, and reading a config's fields. */
import type { MetadataValue, RawConfig } from "../../src/math/arch/family.ts";

/** Keys without the architecture before them; null: not written. */
export type Written = Readonly<Record<string, MetadataValue | null>>;

/** What one architecture's converter writes beside, or instead of, what all write. */
export interface Conversion {
  readonly write: (config: RawConfig, base: Written) => Written;
  /** Length of the tokenizer, which is not in config.json: `vocab_size` where nothing else is known. */
  readonly vocabulary?: (config: RawConfig) => number;
}

export type Conversions = Readonly<Record<string, Conversion>>;

/** An architecture whose converter writes nothing of its own. */
export const PLAIN: Conversion = { write: () => ({}) };

const EPSILON = 1e-5;

/** What every text model writes, where its config has it. */
export function baseWritten(c: RawConfig): Written {
  const rope = ropeParameters(c);
  const headDim = numberOf(c, "head_dim");
  return {
    block_count: numberOf(c, "n_layers", "num_hidden_layers", "n_layer", "num_layers"),
    context_length: numberOf(
      c,
      "max_position_embeddings",
      "n_ctx",
      "n_positions",
      "max_length",
      "max_sequence_length",
      "model_max_length",
    ),
    embedding_length: numberOf(c, "hidden_size", "n_embd", "dim"),
    feed_forward_length: numberOf(
      c,
      "prefix_dense_intermediate_size",
      "dense_intermediate_size",
      "intermediate_size",
      "n_inner",
      "hidden_dim",
    ),
    "attention.head_count": numberOf(c, "num_attention_heads", "n_head", "n_heads"),
    "attention.head_count_kv": numberOf(c, "num_key_value_heads", "n_kv_heads"),
    "attention.causal": c.is_causal === false ? false : null,
    ...ropeScaling(rope),
    "rope.dimension_sections": sections(rope),
    "rope.freq_base": numberOf(rope, "rope_theta"),
    // One of them is wanted, by the architecture; no byte depends on the number.
    "attention.layer_norm_rms_epsilon": numberOf(c, "rms_norm_eps", "norm_eps") ?? EPSILON,
    "attention.layer_norm_epsilon": numberOf(c, "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon") ?? EPSILON,
    expert_count: numberOf(c, "num_local_experts", "num_experts", "n_routed_experts"),
    expert_used_count: numberOf(c, "num_experts_per_tok", "num_experts_per_token", "top_k_experts"),
    expert_group_count: numberOf(c, "n_group"),
    expert_group_used_count: numberOf(c, "topk_group"),
    expert_gating_func: gating(c),
    "attention.key_length": headDim,
    "attention.value_length": headDim,
  };
}

/** `rope_parameters`, or `rope_scaling` with the outer fields put in, of the full layers where kinds have their own. */
export function ropeParameters(c: RawConfig): RawConfig {
  const outer = c.rope_parameters ?? c.rope_scaling;
  const rope = isObject(outer) ? outer : {};
  const full = rope.full_attention;
  if (isObject(full)) return { ...full };
  const type = rope.rope_type ?? rope.type;
  return {
    ...rope,
    ...(type === undefined ? {} : { rope_type: type }),
    rope_theta: rope.rope_theta ?? first(c, "global_rope_theta", "rope_theta", "rotary_emb_base"),
    partial_rotary_factor: rope.partial_rotary_factor ?? first(c, "partial_rotary_factor", "rope_pct", "rope_percent"),
  };
}

const SCALING_TYPES: Readonly<Record<string, string>> = {
  linear: "linear",
  yarn: "yarn",
  su: "longrope",
  longrope: "longrope",
};

function ropeScaling(rope: RawConfig): Written {
  const type = typeof rope.rope_type === "string" ? SCALING_TYPES[rope.rope_type] : undefined;
  if (type === undefined) return {};
  return {
    "rope.scaling.type": type,
    "rope.scaling.factor": type === "longrope" ? null : numberOf(rope, "factor"),
    "rope.scaling.original_context_length": type === "yarn" ? numberOf(rope, "original_max_position_embeddings") : null,
  };
}

function sections(rope: RawConfig): MetadataValue | null {
  const given = rope.mrope_section;
  if (!Array.isArray(given)) return null;
  return [...given.map(Number), 0, 0, 0, 0].slice(0, 4);
}

const GATING: Readonly<Record<string, number>> = { softmax: 1, sigmoid: 2, sqrtsoftplus: 4 };

function gating(c: RawConfig): number | null {
  const name = first(
    c,
    "score_function",
    "scoring_func",
    "score_func",
    "moe_router_activation",
    "moe_router_activation_func",
    "expert_selection_fn",
  );
  return typeof name === "string" ? (GATING[name] ?? null) : null;
}

/** The first of the keys that the config has. */
export function first(c: RawConfig, ...keys: readonly string[]): unknown {
  return keys.map((key) => c[key]).find((value) => value !== undefined && value !== null);
}

export function numberOf(c: RawConfig, ...keys: readonly string[]): number | null {
  const value = first(c, ...keys);
  return typeof value === "number" ? value : null;
}

/** @throws {Error} when none of the keys holds a number: the converter would not go on either */
export function numberIn(c: RawConfig, ...keys: readonly string[]): number {
  const value = numberOf(c, ...keys);
  if (value === null) throw new Error(`Cannot convert: config.json has none of ${keys.join(", ")}`);
  return value;
}

export function isObject(value: unknown): value is RawConfig {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
