/**
 * qwen 3, dense: llama's block with norms on the heads of Q and K and a head size of its own.
 * @source llama.cpp src/models/qwen3.cpp@v0.5.0
 */
import { decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import { defineFamily } from "./family-builder.ts";
import { LIMITS } from "./fields.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
import { warnOfWindow } from "./qwen2.ts";
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
const TRAITS = { ...PLAIN_LAYER, qkNorm: true };

export const qwen3 = defineFamily<StandardDecoder>({
  id: "qwen3",
  modelTypes: ["qwen3"],
  ggufArchitectures: ["qwen3"],
  readConfig: (fields) => {
    const decoder = decoderFromConfig(fields, "qwen3", "qwen3", UNTIED);
    warnOfWindow(fields);
    const feedForward = everyLayer(decoder, gatedDense(fields.int("intermediate_size", LIMITS.width)));
    const bias = fields.optionalBool("attention_bias") ?? false;
    const traits = { ...TRAITS, qkvBias: bias, outputBias: bias };
    return { ...decoder, heads: headsFromConfig(fields, decoder), feedForward, traits, head: PLAIN_HEAD };
  },
  readGguf: (fields, header) => {
    const decoder = decoderFromGguf(fields, header, "qwen3", UNTIED);
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
