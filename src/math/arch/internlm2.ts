/**
 * internlm 2 and 2.5: llama's block; the file's fused matrix is three for llama.cpp.
 * @source llama.cpp src/models/internlm2.cpp, conversion/internlm.py InternLM2Model@v0.5.0
 */
import { defineDense } from "./dense-family.ts";

export const internlm2 = defineDense({
  id: "internlm2",
  modelTypes: ["internlm2"],
  architecture: "internlm2",
  tied: "never",
  norms: ["attn_norm", "ffn_norm"],
  configTraits: (fields) => {
    if (fields.optionalBool("bias") === true)
      fields.refuse("bias is true: llama.cpp's internlm2 has none on its output matrix");
    return {};
  },
});
