/**
 * bailing MoE (ling and ring, first generation): routed and shared experts, dense layers first where the config says so.
 * The file has Q, K and V apart.
 * @source llama.cpp src/models/bailingmoe.cpp, conversion/bailingmoe.py BailingMoeModel@v0.5.0
 */
import type { FeedForward } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import type { Fields } from "./fields.ts";
import { expertsFromConfig, leadingDense } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";

/** Both generations' spelling. */
export function bailingExperts(fields: Fields, decoder: Decoder): readonly FeedForward[] {
  const block = expertsFromConfig(fields, {
    experts: "num_experts",
    expertsUsed: "num_experts_per_tok",
    expertWidth: "moe_intermediate_size",
    sharedExperts: "num_shared_experts",
  });
  return leadingDense(fields, decoder, block);
}

export const bailingMoe = defineSparse({
  id: "bailing-moe",
  modelTypes: ["bailing_moe"],
  architecture: "bailingmoe",
  norms: ["attn_norm", "ffn_norm"],
  configTraits: (fields) => {
    if (fields.optionalBool("use_qkv_bias") === true || fields.optionalBool("use_bias") === true) {
      fields.refuse("use_qkv_bias or use_bias is true: llama.cpp's converter writes no such bias");
    }
    return {};
  },
  experts: bailingExperts,
  metadata: { width: "expert_feed_forward_length", shared: "counted" },
});
