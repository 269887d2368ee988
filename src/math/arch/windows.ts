/** Which layers see a window only, where the architecture alternates. */
import type { Decoder } from "./decoder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";

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
