/**
 * The text model of qwen 2 and 2.5 VL: qwen 2's block, with a position in time, height, width and one to spare.
 * @source llama.cpp src/models/qwen2vl.cpp, conversion/qwenvl.py Qwen2VLModel@v0.5.0
 */
import { defineDense } from "./dense-family.ts";
import { warnOfWindow } from "./qwen2.ts";

export const qwen2Vl = defineDense({
  id: "qwen2-vl",
  modelTypes: ["qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text"],
  architecture: "qwen2vl",
  norms: ["attn_norm", "ffn_norm"],
  traits: { qkvBias: true },
  configTraits: (fields) => {
    warnOfWindow(fields);
    if (fields.is("model_type", "qwen2_vl") || fields.is("model_type", "qwen2_5_vl")) {
      fields.warn("Only the text model is counted: a vision tower is a file of its own.");
    }
    return {};
  },
});
