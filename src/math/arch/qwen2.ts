/**
 * qwen 1.5, 2 and 2.5, mimo 7b without its extra block: llama's block with biases on Q, K and V. The sliding window of some configs is not in llama.cpp.
 * @source llama.cpp src/models/qwen2.cpp@v0.5.0
 */
import { decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import { defineFamily } from "./family-builder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
import {
  buildStandard,
  denseFromGguf,
  everyLayer,
  gatedDense,
  headFromGguf,
  PLAIN_LAYER,
  type StandardDecoder,
  traitsFromGguf,
} from "./standard.ts";

const UNTIED = { tiedByDefault: false };
const TRAITS = { ...PLAIN_LAYER, qkvBias: true };

export function warnOfWindow(fields: Fields): void {
  if (fields.optionalBool("use_sliding_window") === true) {
    fields.warn("llama.cpp has no sliding window for this architecture: each layer keeps the whole context.");
  }
}

export const qwen2 = defineFamily<StandardDecoder>({
  id: "qwen2",
  modelTypes: ["qwen2", "mimo"],
  ggufArchitectures: ["qwen2"],
  readConfig: (fields) => {
    const decoder = decoderFromConfig(fields, "qwen2", "qwen2", UNTIED);
    warnOfWindow(fields);
    if (fields.is("model_type", "mimo")) {
      fields.warn("The extra block that predicts several tokens is left out: llama.cpp takes the rest as qwen2.");
    }
    const feedForward = everyLayer(decoder, gatedDense(fields.int("intermediate_size", LIMITS.width)));
    return { ...decoder, heads: headsFromConfig(fields, decoder), feedForward, traits: TRAITS, head: PLAIN_HEAD };
  },
  readGguf: (fields, header) => {
    const decoder = decoderFromGguf(fields, header, "qwen2", UNTIED);
    return {
      ...decoder,
      heads: headsFromGguf(fields, decoder),
      feedForward: denseFromGguf(fields, decoder),
      traits: traitsFromGguf(header, TRAITS),
      head: headFromGguf(header),
    };
  },
  build: (geometry) => buildStandard(geometry, { norms: ["attn_norm", "ffn_norm"] }),
});
