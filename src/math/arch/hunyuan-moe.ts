/**
 * hunyuan MoE (A13B): norms on the heads of Q and K, routed experts beside a shared block in each layer.
 * Hunyuan Large shares keys and values between layers (use_cla), which llama.cpp does not do.
 * @source llama.cpp src/models/hunyuan-moe.cpp, conversion/hunyuan.py HunYuanMoEModel@v0.5.0
 */
import type { FeedForward } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import { moe } from "./experts.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { afterDense, expertsFromGguf } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";

/** One number, or a list with the same number for each layer. */
function sameInEach(fields: Fields, key: string): number {
  const list = fields.holdsList(key) ? fields.optionalList(key) : null;
  const value = list === null ? fields.int(key, LIMITS.width) : list[0];
  if (list?.some((other) => other !== value) === true) fields.refuse(`${key} differs from layer to layer`);
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
  fields.refuse(`${key} holds no whole number`);
  return 1;
}

function experts(fields: Fields, decoder: Decoder): readonly FeedForward[] {
  if (fields.optionalBool("use_cla") === true) {
    fields.refuse("use_cla is true: llama.cpp gives each layer its own keys and values");
  }
  if (fields.optionalBool("use_mla") === true) fields.refuse("use_mla is true, which this family is not known with");
  const block = moe(fields, {
    experts: fields.int("num_experts", LIMITS.experts),
    expertsUsed: sameInEach(fields, "moe_topk"),
    expertWidth: sameInEach(fields, "moe_intermediate_size"),
    sharedWidth: sameInEach(fields, "num_shared_expert") * fields.int("intermediate_size", LIMITS.width),
    sharedGated: false,
  });
  return afterDense(decoder, () => block);
}

export const hunyuanMoe = defineSparse({
  id: "hunyuan-moe",
  modelTypes: ["hunyuan", "hunyuan_v1_moe"],
  architecture: "hunyuan-moe",
  tiedByDefault: true,
  norms: ["attn_norm", "ffn_norm"],
  traits: { qkNorm: true },
  experts,
  metadata: (fields, decoder) => {
    const block = expertsFromGguf(fields, { width: "feed_forward_length", shared: "width" });
    const sharedWidth = block.sharedWidth === 0 ? block.expertWidth : block.sharedWidth;
    return afterDense(decoder, () => ({ ...block, sharedWidth }));
  },
});
