import type { TensorSpec } from "../model.ts";

/** What llama-quantize tells tensors apart by. */
export type Category =
  | "head"
  | "embedding"
  | "qkv"
  | "kvB"
  | "value"
  | "key"
  | "query"
  | "attentionOut"
  | "up"
  | "gate"
  | "down"
  | "rest";

/** In this order: the first part of a name that is found decides (`attn_qkv` before `attn_q`). */
const PARTS: readonly (readonly [part: string, category: Category])[] = [
  ["attn_qkv.weight", "qkv"],
  ["attn_kv_b.weight", "kvB"],
  ["attn_v.weight", "value"],
  ["attn_k.weight", "key"],
  ["attn_q.weight", "query"],
  ["attn_output.weight", "attentionOut"],
  ["ffn_up", "up"],
  ["ffn_gate", "gate"],
  ["ffn_down", "down"],
];

/** @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) src/llama-quant.cpp#L115 */
export function categoryOf(name: string): Category {
  if (name === "output.weight") return "head";
  if (name === "token_embd.weight" || name === "per_layer_token_embd.weight") return "embedding";
  return PARTS.find(([part]) => name.includes(part))?.[1] ?? "rest";
}

/** Names, or parts of names, that are kept as the source has them, too small to be worth it or too delicate. */
const KEPT_NAMES = ["position_embd.weight", "token_types.weight"];
const KEPT_PARTS = [
  "_norm.weight",
  "ffn_gate_inp.weight",
  "ffn_gate_tid2eid.weight",
  "altup",
  "laurel",
  "per_layer_model_proj",
  "ssm_conv1d",
  "shortconv.conv.weight",
  "indexer.k_proj.weight",
  "indexer.q_proj.weight",
  "time_mix_first.weight",
  "time_mix_w0.weight",
  "time_mix_w1.weight",
  "time_mix_w2.weight",
  "time_mix_v0.weight",
  "time_mix_v1.weight",
  "time_mix_v2.weight",
  "time_mix_a0.weight",
  "time_mix_a1.weight",
  "time_mix_a2.weight",
  "time_mix_g1.weight",
  "time_mix_g2.weight",
  "time_mix_decay_w1.weight",
  "time_mix_decay_w2.weight",
  "time_mix_lerp_fused.weight",
  "attn_rel_b.weight",
  ".position_embd",
  "sam.pos_embd",
  "sam.neck.",
  "sam.net_",
  ".rel_pos",
  ".patch_embd",
  ".patch_merger",
  "a.rvq.codebook",
  "mm.a.code_embd",
];

/**
 * Whether llama-quantize changes a tensor at all: matrices (2-D, 3-D for experts) whose name ends in `weight`, but for the
 * exceptions above.
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) src/llama-quant.cpp#L288-365
 */
export function isQuantizable({ name, shape }: TensorSpec): boolean {
  return (
    shape.some((elements, i) => i > 0 && elements > 1) &&
    name.endsWith("weight") &&
    !KEPT_NAMES.includes(name) &&
    !KEPT_PARTS.some((part) => name.includes(part))
  );
}

/** Of the kept ones, those that the converter writes as F32 whatever the model's own type is. */
const FLOAT32_PARTS = [
  "_norm.weight",
  "ffn_gate_inp.weight",
  "ssm_conv1d",
  "shortconv.conv",
  "time_mix_first.",
  "time_mix_w1.",
  "time_mix_w2.",
  "time_mix_decay_w1.",
  "time_mix_decay_w2.",
  "time_mix_lerp_fused.",
  "altup_correct_coef",
  "altup_predict_coef",
];

/**
 * Whether the converter from the hub's files writes F32: vectors, norms, biases, routers and short convolutions.
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) conversion/base.py, prepare_tensors
 */
export function isAlwaysFloat32({ name, shape }: TensorSpec): boolean {
  return (
    !shape.some((elements, i) => i > 0 && elements > 1) ||
    !name.endsWith(".weight") ||
    KEPT_NAMES.includes(name) ||
    FLOAT32_PARTS.some((part) => name.includes(part))
  );
}
