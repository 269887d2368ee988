/**
 * gemma 3: gemma 2's norms, norms on the heads of Q and K, five layers with a window to one without. llama.cpp's converter
 * writes no period, so a file has 6 unless somebody set the key; without a window in the metadata no layer has one.
 * @source llama.cpp src/models/gemma3.cpp@v0.5.0, conversion/gemma.py@061b8c5f91885f2779d23198a091777df47c3f6f
 */
import { decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { GEMMA_NORMS, gemmaMixer, withTiedHead } from "./gemma2.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
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
const TRAITS = { ...PLAIN_LAYER, qkNorm: true };
const PERIOD = 6;
const NO_PERIOD = 1;

/**
 * Gemma3TextConfig's own values: published configs of the larger models leave out what equals them.
 * @source transformers src/transformers/models/gemma3/configuration_gemma3.py@008f5c8c29be84d4721dc6d1e0fcd72300580be4
 */
const DEFAULTS = {
  vocab_size: 262_208,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  max_position_embeddings: 131_072,
};

interface Gemma3 extends StandardDecoder {
  readonly window: number | null;
  readonly windowed: Windowed;
}

function readConfig(fields: Fields): Gemma3 {
  fields.assume(DEFAULTS);
  const decoder = withTiedHead(decoderFromConfig(fields, "gemma3", "gemma3", TIED));
  const patternKey = fields.has("sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
  const pattern = fields.optionalInt(patternKey, LIMITS.layers) ?? PERIOD;
  if (pattern !== PERIOD && pattern !== NO_PERIOD) {
    fields.warn(
      `${patternKey} is ${pattern}, which llama.cpp's converter does not write: every 6th layer is full there.`,
    );
  }
  return {
    ...decoder,
    heads: headsFromConfig(fields, decoder),
    feedForward: everyLayer(decoder, gatedDense(fields.int("intermediate_size", LIMITS.width))),
    traits: TRAITS,
    head: PLAIN_HEAD,
    window: pattern === NO_PERIOD ? null : fields.int("sliding_window", LIMITS.context),
    windowed: periodic(PERIOD),
  };
}

function readGguf(fields: Fields, header: GgufHeader): Gemma3 {
  const decoder = decoderFromGguf(fields, header, "gemma3", TIED);
  const window = fields.optionalInt("attention.sliding_window", orNone(LIMITS.context)) ?? 0;
  return {
    ...decoder,
    heads: headsFromGguf(fields, decoder),
    feedForward: denseFromGguf(fields, decoder),
    traits: traitsFromGguf(header, TRAITS),
    head: PLAIN_HEAD,
    window: window === 0 ? null : window,
    windowed: windowedFromGguf(fields, decoder, PERIOD),
  };
}

export const gemma3 = defineFamily<Gemma3>({
  id: "gemma3",
  modelTypes: ["gemma3", "gemma3_text"],
  ggufArchitectures: ["gemma3"],
  readConfig,
  readGguf,
  build: (geometry) =>
    buildStandard(geometry, { norms: GEMMA_NORMS, mixer: gemmaMixer(geometry.window, geometry.windowed) }),
});
