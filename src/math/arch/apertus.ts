/**
 * apertus: llama's block with norms on the heads of Q and K, one matrix up and an activation of its own (xIELU).
 * @source llama.cpp src/models/apertus.cpp, conversion/llama.py ApertusModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";
import { llama3Freqs } from "./rope.ts";

export const apertus = defineDense({
  id: "apertus",
  modelTypes: ["apertus"],
  architecture: "apertus",
  tied: "never",
  norms: ["attn_norm", "ffn_norm"],
  ungated: true,
  traits: { qkNorm: true },
  configTraits: (fields) => {
    const bias = fields.optionalBool("attention_bias") ?? false;
    return { qkvBias: bias, outputBias: bias };
  },
  configHead: llama3Freqs,
});
