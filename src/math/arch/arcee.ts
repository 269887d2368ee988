/**
 * arcee's AFM: llama's block with one matrix up and a squared ReLU.
 * @source llama.cpp src/models/arcee.cpp, conversion/llama.py ArceeModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";
import { llama3Freqs } from "./rope.ts";

export const arcee = defineDense({
  id: "arcee",
  modelTypes: ["arcee"],
  architecture: "arcee",
  norms: ["attn_norm", "ffn_norm"],
  ungated: true,
  configTraits: (fields) => {
    if (fields.optionalBool("attention_bias") === true)
      fields.refuse("attention_bias is true: llama.cpp's arcee has no output bias");
    if (fields.optionalBool("mlp_bias") === true)
      fields.refuse("mlp_bias is true: llama.cpp's arcee has no such biases");
    return {};
  },
  configHead: llama3Freqs,
});
