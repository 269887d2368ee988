/**
 * glm 4 (0414 and later, also the text model of glm 4.1v): norms before and after each block, fused gate-up, partly
 * rotated heads. The earlier glm-4-9b is chatglm for llama.cpp, and glm 4.5 another architecture.
 * @source llama.cpp src/models/glm4.cpp@v0.5.0
 */
import { decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import { defineFamily } from "./family-builder.ts";
import { LIMITS } from "./fields.ts";
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
const FUSED = true;

export const glm4 = defineFamily<StandardDecoder>({
  id: "glm4",
  modelTypes: ["glm4", "glm4v", "glm4v_text"],
  ggufArchitectures: ["glm4"],
  readConfig: (fields) => {
    const decoder = decoderFromConfig(fields, "glm4", "glm4", UNTIED);
    if (fields.optionalString("model_type") === "glm4v") {
      fields.warn("Only the text model is counted: a vision tower is a file of its own.");
    }
    return {
      ...decoder,
      heads: headsFromConfig(fields, decoder),
      feedForward: everyLayer(decoder, gatedDense(fields.int("intermediate_size", LIMITS.width), FUSED)),
      traits: { ...PLAIN_LAYER, qkvBias: fields.optionalBool("attention_bias") ?? false },
      head: PLAIN_HEAD,
    };
  },
  readGguf: (fields, header) => {
    const decoder = decoderFromGguf(fields, header, "glm4", UNTIED);
    return {
      ...decoder,
      heads: headsFromGguf(fields, decoder),
      feedForward: denseFromGguf(fields, decoder, FUSED),
      traits: traitsFromGguf(header, PLAIN_LAYER),
      head: headFromGguf(header),
    };
  },
  build: (geometry) =>
    buildStandard(geometry, { norms: ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"] }),
});
