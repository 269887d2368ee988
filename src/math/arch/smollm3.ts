/**
 * smollm 3: llama's block; each fourth layer has no positions.
 * @source llama.cpp src/models/smollm3.cpp, conversion/llama.py SmolLM3Model@v0.5.0
 */
import { defineDense } from "./dense-family.ts";
import { llama3Freqs } from "./rope.ts";

/** llama.cpp takes it for granted. */
const WITHOUT_POSITIONS = 4;
const positions = () => (layer: number) => ((layer + 1) % WITHOUT_POSITIONS === 0 ? { rotary: false } : {});

export const smollm3 = defineDense({
  id: "smollm3",
  modelTypes: ["smollm3"],
  architecture: "smollm3",
  tied: true,
  defaults: { num_key_value_heads: 4 },
  norms: ["attn_norm", "ffn_norm"],
  configTraits: (fields) => {
    const bias = fields.optionalBool("attention_bias") ?? false;
    return { qkvBias: bias, outputBias: bias, denseBias: fields.optionalBool("mlp_bias") ?? false };
  },
  configHead: llama3Freqs,
  configMixer: positions,
  ggufMixer: positions,
});
