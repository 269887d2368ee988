/**
 * starcoder 2: layer norms, biases everywhere, one matrix up, grouped keys and values. Its window is not in llama.cpp.
 * @source llama.cpp src/models/starcoder2.cpp, conversion/starcoder.py StarCoder2Model@v0.5.0
 */
import { defineDense } from "./dense-family.ts";

export const starcoder2 = defineDense({
  id: "starcoder2",
  modelTypes: ["starcoder2"],
  architecture: "starcoder2",
  tied: true,
  norms: ["attn_norm", "ffn_norm"],
  normBias: true,
  ungated: true,
  traits: { qkvBias: true, outputBias: true, denseBias: true },
  configTraits: (fields) => {
    if (fields.optionalBool("use_bias") === false)
      fields.refuse("use_bias is false: llama.cpp's starcoder2 wants biases");
    if (fields.has("sliding_window")) {
      fields.warn("llama.cpp has no sliding window for this architecture: each layer keeps the whole context.");
    }
    return {};
  },
});
