/**
 * minimax m2, m2.5, m2.7: one norm over all heads of Q and one over all of K, experts in each layer, chosen with a bias.
 * @source llama.cpp src/models/minimax-m2.cpp, conversion/minimax.py MiniMaxM2Model@v0.5.0
 */
import { wholeHeadNorms } from "./head-norms.ts";
import { afterDense, expertsFromConfig } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";
import { PLAIN_EXPERTS } from "./tensors.ts";

export const minimaxM2 = defineSparse({
  id: "minimax-m2",
  modelTypes: ["minimax_m2"],
  architecture: "minimax-m2",
  norms: ["attn_norm", "ffn_norm"],
  traits: { experts: { ...PLAIN_EXPERTS, selectionBias: true } },
  experts: (fields, decoder) => {
    const block = expertsFromConfig(fields, {
      experts: "num_local_experts",
      expertsUsed: "num_experts_per_tok",
      expertWidth: "intermediate_size",
      sharedExperts: null,
    });
    if (fields.optionalBool("use_qk_norm") === false || fields.optionalString("qk_norm_type") === "per_head") {
      fields.refuse("use_qk_norm and qk_norm_type do not give one norm for all heads: llama.cpp wants that");
    }
    return afterDense(decoder, () => block);
  },
  metadata: { width: "feed_forward_length", shared: "none" },
  more: wholeHeadNorms,
});
