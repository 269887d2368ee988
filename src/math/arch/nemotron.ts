/**
 * nemotron 3 and 4, minitron: layer norms with biases, one matrix up and a squared ReLU, partly turned heads.
 * @source llama.cpp src/models/nemotron.cpp, conversion/nemotron.py NemotronModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";

export const nemotron = defineDense({
  id: "nemotron",
  modelTypes: ["nemotron"],
  architecture: "nemotron",
  tied: "never",
  norms: ["attn_norm", "ffn_norm"],
  normBias: true,
  ungated: true,
  configTraits: (fields) => {
    const bias = fields.optionalBool("attention_bias") ?? false;
    return { qkvBias: bias, outputBias: bias, denseBias: fields.optionalBool("mlp_bias") ?? false };
  },
});
