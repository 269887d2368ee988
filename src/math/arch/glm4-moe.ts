/**
 * glm 4.5, 4.6 and 4.5v: biases on Q, K and V, norms on heads in the large ones, one norm after attention instead of one
 * before the feed-forward block, dense layers first, routed and shared experts.
 * @source llama.cpp src/models/glm4-moe.cpp, conversion/glm.py Glm4MoeModel@v0.5.0
 */
import { deepseekExperts } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";
import { PLAIN_EXPERTS } from "./tensors.ts";

export const glm4Moe = defineSparse({
  id: "glm4-moe",
  modelTypes: ["glm4_moe", "glm4v_moe", "glm4v_moe_text"],
  architecture: "glm4moe",
  norms: ["attn_norm", "post_attention_norm"],
  traits: { qkNorm: true, qkvBias: true, experts: { ...PLAIN_EXPERTS, selectionBias: true } },
  configTraits: (fields) => ({
    qkvBias: fields.optionalBool("attention_bias") ?? false,
    qkNorm: fields.optionalBool("use_qk_norm") ?? false,
  }),
  experts: deepseekExperts,
  metadata: { width: "expert_feed_forward_length", shared: "counted" },
});
