/**
 * phi 3, 3.5 and 4: fused QKV and fused gate-up. llama.cpp keeps full caches whatever the window says.
 * @source llama.cpp src/models/phi3.cpp@v0.5.0, conversion/phi.py@051139f511300aaf6159294433fab91c73ef7455
 */
import { decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import { defineFamily } from "./family-builder.ts";
import { LIMITS } from "./fields.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
import { longRopeFactors } from "./rope.ts";
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
const TRAITS = { ...PLAIN_LAYER, fusedQkv: true };
const FUSED = true;

export const phi3 = defineFamily<StandardDecoder>({
  id: "phi3",
  modelTypes: ["phi3", "phi3_v"],
  ggufArchitectures: ["phi3"],
  readConfig: (fields) => {
    const decoder = decoderFromConfig(fields, "phi3", "phi3", UNTIED);
    const width = fields.int("intermediate_size", LIMITS.width);
    if (fields.is("model_type", "phi3_v")) {
      fields.warn("Only the text model is counted: a vision tower is a file of its own.");
    }
    return {
      ...decoder,
      heads: headsFromConfig(fields, decoder),
      feedForward: everyLayer(decoder, gatedDense(width, FUSED)),
      traits: TRAITS,
      head: { ...PLAIN_HEAD, ropeFactors: longRopeFactors(fields) },
    };
  },
  readGguf: (fields, header) => {
    const decoder = decoderFromGguf(fields, header, "phi3", UNTIED);
    return {
      ...decoder,
      heads: headsFromGguf(fields, decoder),
      feedForward: denseFromGguf(fields, decoder, FUSED),
      traits: traitsFromGguf(header, TRAITS),
      head: headFromGguf(header),
    };
  },
  build: (geometry) => buildStandard(geometry, { norms: ["attn_norm", "ffn_norm"] }),
});
