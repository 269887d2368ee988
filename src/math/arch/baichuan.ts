/**
 * baichuan 1 and 2: llama's block. The model of 32 layers turns by position; all others have a slope over distances
 * instead (ALiBi), which is part of the softmax.
 * @source llama.cpp src/models/baichuan.cpp, conversion/baichuan.py@v0.5.0
 */
import type { Decoder } from "./decoder.ts";
import { defineDense } from "./dense-family.ts";
import type { Fields } from "./fields.ts";

const ROTARY_LAYERS = 32;

function positions(_: Fields, decoder: Decoder) {
  return () => ({ rotary: decoder.layerCount === ROTARY_LAYERS });
}

export const baichuan = defineDense({
  id: "baichuan",
  modelTypes: ["baichuan"],
  architecture: "baichuan",
  tied: "never",
  norms: ["attn_norm", "ffn_norm"],
  configMixer: positions,
  ggufMixer: positions,
});
