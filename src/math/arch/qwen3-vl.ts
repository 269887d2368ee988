/**
 * The text model of qwen 3 VL: qwen 3's block; images come with features for the first layers beside their embedding.
 * @source llama.cpp src/models/qwen3vl.cpp, conversion/qwen3vl.py Qwen3VLTextModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { warnOfWindow } from "./qwen2.ts";

/** Qwen3VLVisionConfig's own list has three. */
const FEATURES_BY_DEFAULT = 3;

export function imageLayers(fields: Fields, from: "config" | "gguf"): number {
  if (from === "gguf") return fields.optionalInt("n_deepstack_layers", orNone(LIMITS.layers)) ?? 0;
  const indexes = fields.optionalObject("vision_config")?.deepstack_visual_indexes;
  return Array.isArray(indexes) ? indexes.length : FEATURES_BY_DEFAULT;
}

export const qwen3Vl = defineDense({
  id: "qwen3-vl",
  modelTypes: ["qwen3_vl", "qwen3_vl_text"],
  architecture: "qwen3vl",
  defaults: { head_dim: 128 },
  norms: ["attn_norm", "ffn_norm"],
  traits: { qkNorm: true },
  imageLayers,
  configTraits: (fields) => {
    warnOfWindow(fields);
    const bias = fields.optionalBool("attention_bias") ?? false;
    return { qkvBias: bias, outputBias: bias };
  },
});
