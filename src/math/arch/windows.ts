/** Which layers see a window only, where the architecture alternates. */
import type { Decoder } from "./decoder.ts";
import { type Fields, LIMITS, orNone, quote } from "./fields.ts";

export type Windowed = (layer: number) => boolean;

/**
 * The last layer of each period sees everything; 0: none does; 1: all do.
 * @source llama.cpp src/llama-hparams.cpp set_swa_pattern@v0.5.0
 */
export function periodic(period: number): Windowed {
  return (layer) => period === 0 || layer % period !== period - 1;
}

const PATTERN = "attention.sliding_window_pattern";

/** The metadata's own pattern, a period or a list with one entry for each layer, else the architecture's period. */
export function windowedFromGguf(fields: Fields, decoder: Decoder, period: number): Windowed {
  if (!fields.holdsList(PATTERN)) return periodic(fields.optionalInt(PATTERN, orNone(LIMITS.layers)) ?? period);
  const list = fields.optionalList(PATTERN) ?? [];
  const blocks = decoder.layerCount + decoder.mtpCount;
  if (list.length < blocks) fields.refuse(`${PATTERN} has ${list.length} entries: one for each of ${blocks} is wanted`);
  return (layer) => Boolean(list[layer]);
}

/** A config's `layer_types`, else a period in `sliding_window_pattern`, else the config class's own period. */
export function windowedFromConfig(fields: Fields, decoder: Decoder, period: number): Windowed {
  const types = fields.optionalList("layer_types");
  if (types === null) return periodic(fields.optionalInt("sliding_window_pattern", orNone(LIMITS.layers)) ?? period);
  if (types.length < decoder.layerCount) {
    fields.refuse(`layer_types has ${types.length} entries: one for each of ${decoder.layerCount} layers is wanted`);
  }
  const odd = types.find((type) => type !== "sliding_attention" && type !== "full_attention");
  if (odd !== undefined) {
    fields.refuse(`layer_types holds ${quote(String(odd))}: only sliding_attention and full_attention are known here`);
  }
  return (layer) => types[layer] === "sliding_attention";
}

/** Which layers see how much, from the metadata's window and pattern; without a window every layer sees everything. */
export function windowsFromGguf(fields: Fields, decoder: Decoder, period: number): (layer: number) => number | null {
  const window = fields.optionalInt("attention.sliding_window", orNone(LIMITS.context)) ?? 0;
  const windowed = windowedFromGguf(fields, decoder, period);
  return (layer) => (window > 0 && windowed(layer) ? window : null);
}
