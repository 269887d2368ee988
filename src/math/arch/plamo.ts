/**
 * plamo 1: attention and feed-forward side by side behind one norm. llama.cpp's converter takes 5 heads of keys and values.
 * @source llama.cpp src/models/plamo.cpp, conversion/plamo.py PlamoModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";
import { headsFromConfig } from "./heads.ts";

const KV_HEADS = 5;

export const plamo = defineDense({
  id: "plamo",
  modelTypes: ["plamo"],
  architecture: "plamo",
  tied: "never",
  norms: ["attn_norm"],
  configHeads: (fields, decoder) => {
    const heads = headsFromConfig(fields, decoder);
    const queries = heads.heads[0] ?? 1;
    if (queries % KV_HEADS !== 0) fields.refuse(`num_attention_heads (${queries}) is not a multiple of ${KV_HEADS}`);
    return { ...heads, kvHeads: heads.kvHeads.map(() => KV_HEADS) };
  },
});
