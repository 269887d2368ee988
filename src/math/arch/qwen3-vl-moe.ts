/**
 * The text model of qwen 3 VL with experts: qwen 3 MoE's block; images come with features for the first layers beside their
 * embedding.
 * @source llama.cpp src/models/qwen3vlmoe.cpp, conversion/qwen3vl.py Qwen3VLMoeTextModel@v0.5.0
 */
import { qwenExpertsFromConfig, qwenExpertsFromGguf } from "./experts.ts";
import { imageLayers } from "./qwen3-vl.ts";
import { afterDense } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";

const ROUTED = { shared: false };

export const qwen3VlMoe = defineSparse({
  id: "qwen3-vl-moe",
  modelTypes: ["qwen3_vl_moe", "qwen3_vl_moe_text"],
  architecture: "qwen3vlmoe",
  norms: ["attn_norm", "ffn_norm"],
  traits: { qkNorm: true },
  imageLayers,
  configTraits: (fields) => {
    const bias = fields.optionalBool("attention_bias") ?? false;
    return { qkvBias: bias, outputBias: bias };
  },
  experts: (fields, decoder) => {
    const block = qwenExpertsFromConfig(fields, ROUTED);
    return afterDense(decoder, () => block);
  },
  metadata: (fields, decoder) => {
    const block = qwenExpertsFromGguf(fields, ROUTED);
    return afterDense(decoder, () => block);
  },
});
