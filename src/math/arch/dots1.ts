/**
 * dots.llm1: as many KV heads as heads, norms on the heads of Q and K, a dense first layer, routed and shared experts.
 * @source llama.cpp src/models/dots1.cpp, conversion/dots1.py@v0.5.0
 */
import { deepseekExperts } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";
import { PLAIN_EXPERTS } from "./tensors.ts";

export const dots1 = defineSparse({
  id: "dots1",
  modelTypes: ["dots1"],
  architecture: "dots1",
  norms: ["attn_norm", "ffn_norm"],
  traits: { qkNorm: true, experts: { ...PLAIN_EXPERTS, selectionBias: true } },
  configTraits: (fields) => ({ qkvBias: fields.optionalBool("attention_bias") ?? false }),
  experts: deepseekExperts,
  metadata: { width: "expert_feed_forward_length", shared: "counted" },
});
