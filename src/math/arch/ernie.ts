/**
 * ernie 4.5, dense: llama's block.
 * @source llama.cpp src/models/ernie4-5.cpp, conversion/ernie.py Ernie4_5Model@v0.5.0
 */
import { defineDense } from "./dense-family.ts";

export const ernie = defineDense({
  id: "ernie4.5",
  modelTypes: ["ernie4_5"],
  architecture: "ernie4_5",
  tied: true,
  defaults: { head_dim: 128, num_key_value_heads: 2 },
  norms: ["attn_norm", "ffn_norm"],
  configTraits: (fields) => {
    if (fields.optionalBool("use_bias") === true)
      fields.refuse("use_bias is true: llama.cpp's converter knows no biases here");
    return {};
  },
});
