/**
 * granite 3 MoE: llama's attention, experts in each layer, a shared block in some.
 * @source llama.cpp src/models/granite-moe.cpp, granite.cpp, conversion/granite.py GraniteMoeModel@v0.5.0
 */
import { LIMITS, orNone } from "./fields.ts";
import { afterDense, expertsFromConfig, expertsFromGguf } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";

export const graniteMoe = defineSparse({
  id: "granite-moe",
  modelTypes: ["granitemoe", "granitemoeshared"],
  architecture: "granitemoe",
  tiedByDefault: true,
  norms: ["attn_norm", "ffn_norm"],
  configTraits: (fields) => {
    const bias = fields.optionalBool("attention_bias") ?? false;
    return { qkvBias: bias, outputBias: bias };
  },
  experts: (fields, decoder) => {
    const routed = expertsFromConfig(fields, {
      experts: "num_local_experts",
      expertsUsed: "num_experts_per_tok",
      expertWidth: "intermediate_size",
      sharedExperts: null,
    });
    const sharedWidth = fields.optionalInt("shared_intermediate_size", orNone(LIMITS.width)) ?? 0;
    return afterDense(decoder, () => ({ ...routed, sharedWidth }));
  },
  metadata: (fields, decoder) => {
    const block = expertsFromGguf(fields, { width: "feed_forward_length", shared: "width" });
    return afterDense(decoder, () => block);
  },
});
