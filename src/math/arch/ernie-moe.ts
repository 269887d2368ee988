/**
 * ernie 4.5 MoE: dense layers first, then routed and shared experts in each layer.
 * @source llama.cpp src/models/ernie4-5.cpp, ernie4-5-moe.cpp, conversion/ernie.py Ernie4_5MoeModel@v0.5.0
 */
import type { FeedForward } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { afterDense, expertsFromConfig, expertsFromGguf } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";
import { denseFromGguf, gatedDense } from "./standard.ts";
import { PLAIN_EXPERTS } from "./tensors.ts";

/** llama.cpp makes the tensors without looking at the step and uses them by it, so only 1 works. */
function checkStep(fields: Fields, key: string): void {
  const step = fields.optionalInt(key, LIMITS.layers) ?? 1;
  if (step !== 1) fields.refuse(`${key} is ${step}: llama.cpp wants experts in each layer after the dense ones`);
}

function experts(fields: Fields, decoder: Decoder): readonly FeedForward[] {
  checkStep(fields, "moe_layer_interval");
  const leading = fields.int("moe_layer_start_index", orNone(LIMITS.layers));
  const last = fields.optionalInt("moe_layer_end_index", { min: -1, max: LIMITS.layers.max }) ?? -1;
  if (last !== -1 && last < decoder.layerCount - 1) {
    fields.refuse(`moe_layer_end_index is ${last}: llama.cpp wants experts up to the last layer`);
  }
  const block = expertsFromConfig(fields, {
    experts: "moe_num_experts",
    expertsUsed: "moe_k",
    expertWidth: "moe_intermediate_size",
    sharedExperts: "moe_num_shared_experts",
  });
  const dense = gatedDense(fields.int("intermediate_size", LIMITS.width));
  return afterDense(decoder, (layer) => (layer < leading ? dense : block));
}

export const ernieMoe = defineSparse({
  id: "ernie4.5-moe",
  modelTypes: ["ernie4_5_moe"],
  architecture: "ernie4_5-moe",
  tiedByDefault: true,
  norms: ["attn_norm", "ffn_norm"],
  traits: { experts: { ...PLAIN_EXPERTS, selectionBias: true } },
  configTraits: (fields) => {
    const bias = fields.optionalBool("use_bias") ?? false;
    return { qkvBias: bias, outputBias: bias };
  },
  experts,
  metadata: (fields, decoder) => {
    checkStep(fields, "interleave_moe_layer_step");
    const leading = fields.optionalInt("leading_dense_block_count", orNone(LIMITS.layers)) ?? 0;
    const block = expertsFromGguf(fields, { width: "expert_feed_forward_length", shared: "width" });
    const dense = denseFromGguf(fields, decoder);
    return afterDense(decoder, (layer) => (layer < leading ? (dense[layer] ?? block) : block));
  },
});
