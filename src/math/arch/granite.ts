/**
 * granite 3 and 4, dense: llama's block; what embedding, attention, residuals and logits are multiplied by takes no memory.
 * @source llama.cpp src/models/granite.cpp, conversion/granite.py GraniteModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";
import { llama3Freqs } from "./rope.ts";

export const granite = defineDense({
  id: "granite",
  modelTypes: ["granite"],
  architecture: "granite",
  norms: ["attn_norm", "ffn_norm"],
  configTraits: (fields) => {
    const bias = fields.optionalBool("attention_bias") ?? false;
    return { qkvBias: bias, outputBias: bias, denseBias: fields.optionalBool("mlp_bias") ?? false };
  },
  configHead: llama3Freqs,
});
