/**
 * qwen 1.5 MoE and qwen 2 MoE: qwen 2's attention, routed experts and one gated shared expert in each layer.
 * @source llama.cpp src/models/qwen2moe.cpp@v0.5.0
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
const SHARED = { shared: true };

export const qwen2Moe = defineFamily<StandardDecoder>({
  id: "qwen2-moe",
  modelTypes: ["qwen2_moe"],
  ggufArchitectures: ["qwen2moe"],
  readConfig: (fields) => {
    const decoder = decoderFromConfig(fields, "qwen2-moe", "qwen2moe", UNTIED);
    warnOfWindow(fields);
    const feedForward = everyLayer(decoder, qwenExpertsFromConfig(fields, SHARED));
    const traits = { ...PLAIN_LAYER, qkvBias: fields.optionalBool("qkv_bias") ?? true };
    return { ...decoder, heads: headsFromConfig(fields, decoder), feedForward, traits, head: PLAIN_HEAD };
  },
  readGguf: (fields, header) => {
    const decoder = decoderFromGguf(fields, header, "qwen2-moe", UNTIED);
    return {
      ...decoder,
      heads: headsFromGguf(fields, decoder),
      feedForward: everyLayer(decoder, qwenExpertsFromGguf(fields, SHARED)),
      traits: traitsFromGguf(header, { ...PLAIN_LAYER, qkvBias: true }),
      head: headFromGguf(header),
    };
  },
  build: (geometry) => buildStandard(geometry, { norms: ["attn_norm", "ffn_norm"] }),
});
