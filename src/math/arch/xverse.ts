/**
 * xverse, dense: llama's block.
 * @source llama.cpp src/models/xverse.cpp, conversion/xverse.py@v0.5.0
 */
import { defineDense } from "./dense-family.ts";

export const xverse = defineDense({
  id: "xverse",
  modelTypes: ["xverse"],
  architecture: "xverse",
  tied: "never",
  norms: ["attn_norm", "ffn_norm"],
  configTraits: (fields) => {
    if (fields.has("num_experts")) fields.refuse("num_experts is set: llama.cpp's xverse has no experts");
    return {};
  },
});
