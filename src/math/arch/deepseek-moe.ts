/**
 * deepseek MoE, DeepSeek's first: llama's attention, a dense first layer, then routed and shared experts.
 * @source llama.cpp src/models/deepseek.cpp, conversion/deepseek.py DeepseekModel@v0.5.0
 */
import { deepseekExperts } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";

export const deepseekMoe = defineSparse({
  id: "deepseek-moe",
  modelTypes: ["deepseek"],
  architecture: "deepseek",
  norms: ["attn_norm", "ffn_norm"],
  configTraits: (fields) => ({ qkvBias: fields.optionalBool("attention_bias") ?? false }),
  experts: deepseekExperts,
  metadata: { width: "expert_feed_forward_length", shared: "counted" },
});
