/**
 * hunyuan, dense: llama's block; the heads of Q and K are normed after they were turned.
 * @source llama.cpp src/models/hunyuan-vl.cpp, conversion/hunyuan.py HunYuanModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";

export const hunyuanDense = defineDense({
  id: "hunyuan-dense",
  modelTypes: ["hunyuan_v1_dense"],
  architecture: "hunyuan-dense",
  norms: ["attn_norm", "ffn_norm"],
  traits: { qkNorm: true },
  configTraits: (fields) => {
    if (fields.optionalBool("attention_bias") === true) {
      fields.refuse("attention_bias is true: llama.cpp's hunyuan-dense has no output bias");
    }
    return { qkNorm: true };
  },
});
