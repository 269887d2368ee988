/**
 * exaone 4: norms after attention and after the dense block, norms on the heads of Q and K. The model of 64 layers sees a
 * window in three layers of four, with positions in those alone; llama.cpp has no window in any other.
 * @source llama.cpp src/models/exaone4.cpp, conversion/exaone.py Exaone4Model@v0.5.0
 */
import type { Decoder } from "./decoder.ts";
import { defineDense, type MixerTraits } from "./dense-family.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { llama3Freqs } from "./rope.ts";
import { periodic, type Windowed, windowedFromConfig, windowedFromGguf } from "./windows.ts";

const PERIOD = 4;
const LAYERS_WITH_WINDOWS = 64;
const DEFAULT_WINDOW = 4096;

function mixer(decoder: Decoder, window: number | null, windowed: Windowed): MixerTraits {
  if (decoder.layerCount !== LAYERS_WITH_WINDOWS) return () => ({});
  return (layer) => (windowed(layer) ? { kind: "sliding", window: window ?? DEFAULT_WINDOW } : { rotary: false });
}

/** "LLLG": L sees a window, G everything; over and over. */
function fromLetters(letters: string): Windowed {
  return (layer) => letters[layer % letters.length] === "L";
}

function configMixer(fields: Fields, decoder: Decoder): MixerTraits {
  const window = fields.optionalInt("sliding_window", LIMITS.context);
  const letters = fields.holdsString("sliding_window_pattern") ? fields.optionalString("sliding_window_pattern") : null;
  if (letters !== null && letters !== "") return mixer(decoder, window, fromLetters(letters));
  const windowed = window === null ? periodic(PERIOD) : windowedFromConfig(fields, decoder, PERIOD);
  return mixer(decoder, window, windowed);
}

export const exaone4 = defineDense({
  id: "exaone4",
  modelTypes: ["exaone4"],
  architecture: "exaone4",
  norms: ["post_attention_norm", "post_ffw_norm"],
  traits: { qkNorm: true },
  configHead: llama3Freqs,
  configMixer,
  ggufMixer: (fields, decoder) =>
    mixer(
      decoder,
      fields.optionalInt("attention.sliding_window", LIMITS.context),
      windowedFromGguf(fields, decoder, PERIOD),
    ),
});
