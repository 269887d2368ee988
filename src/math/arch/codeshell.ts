/**
 * codeshell: gpt-2's block with grouped keys and values, turned by position.
 * @source llama.cpp src/models/codeshell.cpp, conversion/codeshell.py@v0.5.0
 */
import { defineDense, fourfold } from "./dense-family.ts";
import { GPT2_NAMES, GPT2_TRAITS } from "./gpt2.ts";

export const codeshell = defineDense({
  id: "codeshell",
  modelTypes: ["codeshell"],
  architecture: "codeshell",
  tied: "never",
  aliases: { ...GPT2_NAMES, num_key_value_heads: ["num_query_groups"] },
  norms: ["attn_norm", "ffn_norm"],
  normBias: true,
  ungated: true,
  traits: GPT2_TRAITS,
  width: fourfold,
});
