/**
 * The text model of DeepSeek-OCR and of DeepSeek-VL2-tiny: deepseek v2's experts with llama's attention instead of a latent one.
 * @source llama.cpp src/models/deepseek2ocr.cpp, conversion/deepseek.py DeepseekV2Model@v0.5.0
 */
import { deepseekExperts } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";

export const deepseekOcr = defineSparse({
  id: "deepseek-ocr",
  modelTypes: ["deepseek_vl_v2"],
  architecture: "deepseek2-ocr",
  norms: ["attn_norm", "ffn_norm"],
  experts: (fields, decoder) => {
    if (fields.optionalBool("use_mla") !== false)
      fields.refuse("use_mla is not false: latent attention is deepseek v2's");
    return deepseekExperts(fields, decoder);
  },
  metadata: { width: "expert_feed_forward_length", shared: "counted" },
});
