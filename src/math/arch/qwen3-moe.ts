/**
 * qwen 3 MoE: qwen 3's attention, routed experts in each layer, no shared one.
 * @source llama.cpp src/models/qwen3moe.cpp@v0.5.0
 */
import { decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import { qwenExpertsFromConfig, qwenExpertsFromGguf } from "./experts.ts";
import { defineFamily } from "./family-builder.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
import { warnOfWindow } from "./qwen2.ts";
import {
  buildStandard,
  everyLayer,
  headFromGguf,
  PLAIN_LAYER,
  type StandardDecoder,
  traitsFromGguf,
} from "./standard.ts";

const UNTIED = { tiedByDefault: false };
const ROUTED = { shared: false };
const TRAITS = { ...PLAIN_LAYER, qkNorm: true };

export const qwen3Moe = defineFamily<StandardDecoder>({
  id: "qwen3-moe",
  modelTypes: ["qwen3_moe"],
  ggufArchitectures: ["qwen3moe"],
  readConfig: (fields) => {
    const decoder = decoderFromConfig(fields, "qwen3-moe", "qwen3moe", UNTIED);
    warnOfWindow(fields);
    const feedForward = everyLayer(decoder, qwenExpertsFromConfig(fields, ROUTED));
    const bias = fields.optionalBool("attention_bias") ?? false;
    const traits = { ...TRAITS, qkvBias: bias, outputBias: bias };
    return { ...decoder, heads: headsFromConfig(fields, decoder), feedForward, traits, head: PLAIN_HEAD };
  },
  readGguf: (fields, header) => {
    const decoder = decoderFromGguf(fields, header, "qwen3-moe", UNTIED);
    return {
      ...decoder,
      heads: headsFromGguf(fields, decoder),
      feedForward: everyLayer(decoder, qwenExpertsFromGguf(fields, ROUTED)),
      traits: traitsFromGguf(header, TRAITS),
      head: headFromGguf(header),
    };
  },
  build: (geometry) => buildStandard(geometry, { norms: ["attn_norm", "ffn_norm"] }),
});
