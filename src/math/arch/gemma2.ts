/**
 * gemma 2: norms before and after each block, a window of 4096 in layers 0, 2, 4 …, a soft-capped query. The head is the
 * embedding, always.
 * @source llama.cpp src/models/gemma2.cpp@v0.5.0
 */
import type { AttentionMixer } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import { defineFamily } from "./family-builder.ts";
import { LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromConfig, headsFromGguf, sliding } from "./heads.ts";
import {
  buildStandard,
  denseFromGguf,
  everyLayer,
  gatedDense,
  PLAIN_LAYER,
  type StandardDecoder,
  traitsFromGguf,
} from "./standard.ts";
import { periodic, type Windowed, windowedFromGguf } from "./windows.ts";

const TIED = { tiedByDefault: true };
/** What llama.cpp takes when the metadata has no window. */
const DEFAULT_WINDOW = 4096;
const PERIOD = 2;

export const GEMMA_NORMS = ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"];

interface Gemma2 extends StandardDecoder {
  readonly window: number | null;
  readonly windowed: Windowed;
}

/** Gemma 2 and 3 scale the query in an operation of its own. */
export function gemmaMixer(window: number | null, windowed: Windowed) {
  return (heads: Heads, layer: number, traits: Partial<AttentionMixer>): AttentionMixer =>
    window !== null && windowed(layer)
      ? sliding(heads, layer, window, { ...traits, scaledQuery: true })
      : attention(heads, layer, { ...traits, scaledQuery: true });
}

/** llama.cpp drops a head of its own: it computes with the embedding. */
export function withTiedHead(decoder: Decoder): Decoder {
  return { ...decoder, tied: true };
}

export const gemma2 = defineFamily<Gemma2>({
  id: "gemma2",
  modelTypes: ["gemma2"],
  ggufArchitectures: ["gemma2"],
  readConfig: (fields) => {
    const decoder = withTiedHead(decoderFromConfig(fields, "gemma2", "gemma2", TIED));
    return {
      ...decoder,
      heads: headsFromConfig(fields, decoder),
      feedForward: everyLayer(decoder, gatedDense(fields.int("intermediate_size", LIMITS.width))),
      traits: PLAIN_LAYER,
      head: PLAIN_HEAD,
      window: fields.int("sliding_window", LIMITS.context),
      windowed: periodic(PERIOD),
    };
  },
  readGguf: (fields, header) => {
    const decoder = withTiedHead(decoderFromGguf(fields, header, "gemma2", TIED));
    const window = fields.optionalInt("attention.sliding_window", orNone(LIMITS.context)) ?? DEFAULT_WINDOW;
    return {
      ...decoder,
      heads: headsFromGguf(fields, decoder),
      feedForward: denseFromGguf(fields, decoder),
      traits: traitsFromGguf(header, PLAIN_LAYER),
      head: PLAIN_HEAD,
      window: window === 0 ? null : window,
      windowed: windowedFromGguf(fields, decoder, PERIOD),
    };
  },
  build: (geometry) =>
    buildStandard(geometry, { norms: GEMMA_NORMS, mixer: gemmaMixer(geometry.window, geometry.windowed) }),
});
