/**
 * seed-oss: llama's block with a head size of its own; its norm before the dense block has another name.
 * @source llama.cpp src/models/seed-oss.cpp, conversion/olmo.py SeedOssModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";

export const seedOss = defineDense({
  id: "seed-oss",
  modelTypes: ["seed_oss"],
  architecture: "seed_oss",
  defaults: { head_dim: 128, num_key_value_heads: 8 },
  norms: ["attn_norm", "post_attention_norm"],
  configTraits: (fields) => {
    if (fields.optionalBool("mlp_bias") === true)
      fields.refuse("mlp_bias is true: llama.cpp's seed_oss has no such biases");
    if (fields.optionalBool("attention_out_bias") === true) {
      fields.refuse("attention_out_bias is true: llama.cpp's seed_oss has no such bias");
    }
    return { qkvBias: fields.optionalBool("attention_bias") ?? true };
  },
});
