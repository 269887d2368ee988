/**
 * bailing MoE 2 (ling and ring 2.0, sarvam): fused Q, K and V, norms on heads, a dense first layer, experts chosen with a bias
 * and, in the larger ones, by groups.
 * @source llama.cpp src/models/bailingmoe2.cpp, conversion/bailingmoe.py BailingMoeV2Model@v0.5.0
 */
import type { LayerSpec, TensorSpec } from "../model.ts";
import { bailingExperts } from "./bailing-moe.ts";
import { LIMITS, orNone } from "./fields.ts";
import { afterDense, expertsFromGguf } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";
import { denseFromGguf, type StandardDecoder } from "./standard.ts";
import { blockTensor, PLAIN_EXPERTS } from "./tensors.ts";

/** llama.cpp gives the fused matrix as many query rows as the model is wide, and the extra blocks a norm at their end. */
function fusedAndAfterwards({ embedding, heads, layerCount }: StandardDecoder, { index }: LayerSpec): TensorSpec[] {
  const rows = embedding + 2 * (heads.kvHeads[index] ?? 1) * heads.headDimK;
  const fused = blockTensor(index, "attn_qkv.weight", [embedding, rows], "attention");
  if (index < layerCount) return [fused];
  return [fused, blockTensor(index, "layer_output_norm.weight", [embedding], "norm")];
}

export const bailingMoe2 = defineSparse({
  id: "bailing-moe2",
  modelTypes: ["bailing_moe_v2", "bailing_moe_v2_0", "sarvam_moe"],
  architecture: "bailingmoe2",
  norms: ["attn_norm", "ffn_norm"],
  traits: { fusedQkv: true, qkNorm: true, experts: { ...PLAIN_EXPERTS, selectionBias: true } },
  configTraits: (fields) => {
    if (fields.optionalBool("use_qkv_bias") === true || fields.optionalBool("use_bias") === true) {
      fields.refuse("use_qkv_bias or use_bias is true: llama.cpp knows no such bias here");
    }
    if (fields.optionalBool("use_qk_norm") === false) {
      fields.refuse("use_qk_norm is false: llama.cpp wants norms on the heads");
    }
    return {};
  },
  experts: (fields, decoder) => {
    const heads = fields.optionalInt("num_attention_heads", LIMITS.heads) ?? 1;
    const headDim = fields.optionalInt("head_dim", LIMITS.headDim);
    if (headDim !== null && headDim * heads !== decoder.embedding) {
      fields.refuse(`head_dim x num_attention_heads is ${headDim * heads}: llama.cpp wants hidden_size`);
    }
    const shared = fields.optionalInt("moe_shared_expert_intermediate_size", orNone(LIMITS.width)) ?? 0;
    const count = fields.optionalInt("num_shared_experts", orNone(LIMITS.experts)) ?? 0;
    return bailingExperts(fields, decoder).map((block) =>
      block.kind === "moe" && shared > 0 && count > 0 ? { ...block, sharedWidth: shared * count } : block,
    );
  },
  // The shared experts' own width is that of one of them.
  metadata: (fields, decoder) => {
    const leading = fields.optionalInt("leading_dense_block_count", orNone(LIMITS.layers)) ?? 0;
    const routed = expertsFromGguf(fields, { width: "expert_feed_forward_length", shared: "counted" });
    const own = fields.optionalInt("expert_shared_feed_forward_length", orNone(LIMITS.width)) ?? 0;
    const count = Math.floor(routed.sharedWidth / routed.expertWidth);
    const block = { ...routed, sharedWidth: own > 0 ? own * count : routed.sharedWidth };
    const dense = denseFromGguf(fields, decoder);
    return afterDense(decoder, (layer) => (layer < leading ? (dense[layer] ?? block) : block));
  },
  more: fusedAndAfterwards,
});
