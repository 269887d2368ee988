/**
 * What configs call the modules whose matrices are our tensors: lists of what is quantised are by those names. Families
 * differ, so a tensor has several; a list that names any of them means it.
 */
import { layerOf } from "../../arch/roles.ts";
import type { TensorSpec } from "../../model.ts";

const BEFORE_LAYERS = [
  "model.layers.",
  "model.language_model.layers.",
  "language_model.model.layers.",
  "backbone.layers.",
  "layers.",
  "transformer.h.",
];

const MLPS = ["mlp", "feed_forward", "mixer", "ffn"];
const EXPERT_BLOCKS = ["mlp", "block_sparse_moe", "feed_forward", "mixer", "ffn"];
const ATTENTIONS = ["self_attn", "attention", "attn", "mixer"];
const STATES = ["linear_attn", "mixer", "mamba", "self_attn", "conv"];

const under = (parents: readonly string[], ...names: readonly string[]): readonly string[] =>
  parents.flatMap((parent) => names.map((name) => `${parent}.${name}`));
const experts = (...names: readonly string[]): readonly string[] => [
  ...under(EXPERT_BLOCKS, "experts", ...names.map((name) => `experts.0.${name}`), ...names.map((n) => `experts.${n}`)),
  "experts",
];
const shared = (name: string): readonly string[] =>
  under(EXPERT_BLOCKS, `shared_expert.${name}`, `shared_experts.${name}`, `shared_mlp.${name}`);

/** By our name without layer and ".weight". */
const MODULES: Readonly<Record<string, readonly string[]>> = {
  attn_q: under(ATTENTIONS, "q_proj", "wq"),
  attn_k: under(ATTENTIONS, "k_proj", "wk"),
  attn_v: under(ATTENTIONS, "v_proj", "wv"),
  attn_qkv: under(ATTENTIONS, "qkv_proj", "q_proj", "Wqkv", "c_attn", "query_key_value"),
  attn_output: under(ATTENTIONS, "o_proj", "wo", "out_proj", "dense"),
  attn_q_a: under(ATTENTIONS, "q_a_proj", "wq_a"),
  attn_q_b: under(ATTENTIONS, "q_b_proj", "wq_b"),
  attn_kv_a_mqa: under(ATTENTIONS, "kv_a_proj_with_mqa"),
  attn_kv_b: under(ATTENTIONS, "kv_b_proj"),
  attn_k_b: under(ATTENTIONS, "kv_b_proj"),
  attn_v_b: under(ATTENTIONS, "kv_b_proj"),
  "indexer.attn_q_b": under(ATTENTIONS, "indexer.wq_b"),
  "indexer.attn_k": under(ATTENTIONS, "indexer.wk"),
  "indexer.proj": under(ATTENTIONS, "indexer.weights_proj", "indexers_proj"),
  ffn_gate: under(MLPS, "gate_proj", "w1", "gate_up_proj"),
  ffn_up: under(MLPS, "up_proj", "w3", "gate_up_proj", "fc1"),
  ffn_down: under(MLPS, "down_proj", "w2", "fc2"),
  ffn_gate_inp: [...under(EXPERT_BLOCKS, "gate", "router", "router.layer"), "router.proj", "router"],
  ffn_gate_exps: experts("gate_proj", "w1", "gate_up_proj"),
  ffn_up_exps: experts("up_proj", "w3", "gate_up_proj"),
  ffn_gate_up_exps: experts("gate_up_proj"),
  ffn_down_exps: experts("down_proj", "w2"),
  ffn_gate_shexp: shared("gate_proj"),
  ffn_up_shexp: shared("up_proj"),
  ffn_down_shexp: shared("down_proj"),
  ffn_gate_inp_shexp: under(["mlp"], "shared_expert_gate"),
};

/** Of a recurrent mixer, where a name means another module than in attention. */
const STATE_MODULES: Readonly<Record<string, readonly string[]>> = {
  attn_qkv: under(STATES, "in_proj_qkv", "in_proj_qkvz"),
  attn_gate: under(STATES, "in_proj_z", "in_proj_qkvz"),
  ssm_ba: under(STATES, "in_proj_ba", "in_proj_a"),
  ssm_alpha: under(STATES, "in_proj_a"),
  ssm_beta: under(STATES, "in_proj_b", "b_proj"),
  ssm_in: under(STATES, "in_proj"),
  ssm_out: under(STATES, "out_proj", "o_proj"),
  ssm_x: under(STATES, "x_proj"),
  ssm_dt: under(STATES, "dt_proj"),
};

const OUTSIDE: Readonly<Record<string, readonly string[]>> = {
  token_embd: ["model.embed_tokens", "embed_tokens", "model.language_model.embed_tokens", "backbone.embeddings"],
  output: ["lm_head", "language_model.lm_head", "head"],
};

/** Every name that a module may have, in full; only its place is known of one that no table has. */
export function moduleNames({ name, role }: TensorSpec): readonly string[] {
  const layer = layerOf(name);
  const own = name.replace(/^blk\.\d+\./, "").replace(/\.weight$/, "");
  if (layer === null) return OUTSIDE[own] ?? [own];
  const modules =
    (role === "state" ? STATE_MODULES[own] : undefined) ??
    MODULES[own] ??
    (role === "state" ? under(STATES, own) : role === "attention" ? under(ATTENTIONS, own) : [own]);
  return BEFORE_LAYERS.flatMap((before) => modules.map((module) => `${before}${layer}.${module}`));
}
