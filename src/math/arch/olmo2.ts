/**
 * olmo 2 and 3: norms after attention and after the dense block, none before; one norm over all heads of Q and one over all
 * of K. Olmo 3 sees a window in three layers of four.
 * @source llama.cpp src/models/olmo2.cpp, conversion/olmo.py Olmo2Model@v0.5.0
 */
import type { Decoder } from "./decoder.ts";
import { defineDense, type MixerTraits } from "./dense-family.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { wholeHeadNorms } from "./head-norms.ts";
import { windowedFromConfig, windowsFromGguf } from "./windows.ts";

const PERIOD = 4;

function seeing(windowOf: (layer: number) => number | null): MixerTraits {
  return (layer) => {
    const window = windowOf(layer);
    return window === null ? {} : { kind: "sliding", window };
  };
}

function configMixer(fields: Fields, decoder: Decoder): MixerTraits {
  if (fields.is("model_type", "olmo2")) return () => ({});
  const window = fields.optionalInt("sliding_window", orNone(LIMITS.context)) ?? 4096;
  const windowed = windowedFromConfig(fields, decoder, PERIOD);
  return seeing((layer) => (window > 0 && windowed(layer) ? window : null));
}

export const olmo2 = defineDense({
  id: "olmo2",
  modelTypes: ["olmo2", "olmo3"],
  architecture: "olmo2",
  tied: "never",
  norms: ["post_attention_norm", "post_ffw_norm"],
  configTraits: (fields) => {
    const bias = fields.optionalBool("attention_bias") ?? false;
    return { qkvBias: bias, outputBias: bias };
  },
  configMixer,
  ggufMixer: (fields, decoder) => seeing(windowsFromGguf(fields, decoder, PERIOD)),
  more: wholeHeadNorms,
});
