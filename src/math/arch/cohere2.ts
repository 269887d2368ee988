/**
 * command-r7b, command-a and aya expanse's successors: command-r's block, a window in three layers of four, positions in
 * those alone. The head is the embedding.
 * @source llama.cpp src/models/cohere2.cpp, conversion/command_r.py Cohere2Model@v0.5.0
 */
import type { Decoder } from "./decoder.ts";
import { defineDense, type MixerTraits } from "./dense-family.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { periodic, type Windowed, windowedFromConfig, windowedFromGguf } from "./windows.ts";

const PERIOD = 4;

function mixer(window: number, windowed: Windowed): MixerTraits {
  return (layer) => (windowed(layer) ? { kind: "sliding", window } : { rotary: false });
}

function configMixer(fields: Fields, decoder: Decoder): MixerTraits {
  const asked = windowedFromConfig(fields, decoder, PERIOD);
  const written = periodic(PERIOD);
  for (let layer = 0; layer < decoder.layerCount; layer++) {
    if (asked(layer) === written(layer)) continue;
    fields.refuse(
      "windows are not in three layers of four, the only pattern that llama.cpp's converter leaves room for",
    );
    break;
  }
  return mixer(fields.int("sliding_window", LIMITS.context), written);
}

export const cohere2 = defineDense({
  id: "cohere2",
  modelTypes: ["cohere2"],
  architecture: "cohere2",
  tied: "always",
  defaults: { sliding_window: 4096 },
  norms: ["attn_norm"],
  configMixer,
  ggufMixer: (fields, decoder) =>
    mixer(fields.int("attention.sliding_window", LIMITS.context), windowedFromGguf(fields, decoder, PERIOD)),
});
