/**
 * olmoe: one norm over all heads of Q and one over all of K, experts in each layer, none shared.
 * @source llama.cpp src/models/olmoe.cpp, conversion/olmo.py OlmoeModel@v0.5.0
 */
import { wholeHeadNorms } from "./head-norms.ts";
import { afterDense, expertsFromConfig } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";

export const olmoe = defineSparse({
  id: "olmoe",
  modelTypes: ["olmoe"],
  architecture: "olmoe",
  norms: ["attn_norm", "ffn_norm"],
  configTraits: (fields) => ({ qkvBias: fields.optionalBool("attention_bias") ?? false }),
  experts: (fields, decoder) => {
    const block = expertsFromConfig(fields, {
      experts: "num_experts",
      expertsUsed: "num_experts_per_tok",
      expertWidth: "intermediate_size",
      sharedExperts: null,
    });
    return afterDense(decoder, () => block);
  },
  metadata: { width: "feed_forward_length", shared: "none" },
  more: wholeHeadNorms,
});
