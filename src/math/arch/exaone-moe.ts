/**
 * exaone MoE (k-exaone): norms on the heads of Q and K, three layers with a window to one that sees everything and turns neither,
 * dense layers first, routed and shared experts chosen with a bias.
 * @source llama.cpp src/models/exaone-moe.cpp, conversion/exaone.py ExaoneMoEModel@v0.5.0
 */
import type { AttentionMixer } from "../model.ts";
import { decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromConfig, headsFromGguf, sliding } from "./heads.ts";
import { afterDense, expertsFromConfig, sparseFromGguf } from "./sparse.ts";
import {
  buildStandard,
  gatedDense,
  headFromGguf,
  PLAIN_LAYER,
  type StandardDecoder,
  traitsFromGguf,
} from "./standard.ts";
import { PLAIN_EXPERTS } from "./tensors.ts";
import { periodic, type Windowed, windowedFromGguf } from "./windows.ts";

const UNTIED = { tiedByDefault: false };
const PERIOD = 4;
/** llama.cpp's, where the metadata have none. */
const WINDOW = 128;
const TRAITS = { ...PLAIN_LAYER, qkNorm: true, experts: { ...PLAIN_EXPERTS, selectionBias: true } };

interface ExaoneMoe extends StandardDecoder {
  readonly window: number;
  readonly windowed: Windowed;
}

function readConfig(fields: Fields): ExaoneMoe {
  const decoder = decoderFromConfig(fields, "exaone-moe", "exaone-moe", UNTIED);
  const types = fields.optionalList("layer_types");
  const differs = types?.some((t, i) => t !== (periodic(PERIOD)(i) ? "sliding_attention" : "full_attention"));
  if (differs === true) fields.refuse("layer_types differ from one full layer in four: llama.cpp takes that");
  const leadingKey = fields.has("first_k_dense_replace") ? "first_k_dense_replace" : "first_last_k_dense_replace";
  const leading = fields.optionalInt(leadingKey, orNone(LIMITS.layers)) ?? 0;
  const block = expertsFromConfig(fields, {
    experts: "num_experts",
    expertsUsed: "num_experts_per_tok",
    expertWidth: "moe_intermediate_size",
    sharedExperts: "num_shared_experts",
  });
  const dense = leading === 0 ? block : gatedDense(fields.int("intermediate_size", LIMITS.width));
  return {
    ...decoder,
    heads: headsFromConfig(fields, decoder),
    feedForward: afterDense(decoder, (layer) => (layer < leading ? dense : block)),
    traits: TRAITS,
    head: PLAIN_HEAD,
    window: fields.int("sliding_window", LIMITS.context),
    windowed: periodic(PERIOD),
  };
}

function readGguf(fields: Fields, header: GgufHeader): ExaoneMoe {
  const decoder = decoderFromGguf(fields, header, "exaone-moe", UNTIED);
  const feedForward = sparseFromGguf(fields, decoder, { width: "expert_feed_forward_length", shared: "width" });
  const windowed = windowedFromGguf(fields, decoder, PERIOD);
  return {
    ...decoder,
    heads: headsFromGguf(fields, decoder),
    feedForward,
    traits: traitsFromGguf(
      header,
      TRAITS,
      Math.max(
        0,
        feedForward.findIndex(({ kind }) => kind === "moe"),
      ),
    ),
    head: headFromGguf(header),
    window: fields.optionalInt("attention.sliding_window", LIMITS.context) ?? WINDOW,
    windowed: (layer) => layer < decoder.layerCount && windowed(layer),
  };
}

function mixer({ window, windowed }: ExaoneMoe) {
  return (heads: Heads, layer: number, traits: Partial<AttentionMixer>): AttentionMixer =>
    windowed(layer) ? sliding(heads, layer, window, traits) : attention(heads, layer, { ...traits, rotary: false });
}

export const exaoneMoe = defineFamily<ExaoneMoe>({
  id: "exaone-moe",
  modelTypes: ["exaone_moe"],
  ggufArchitectures: ["exaone-moe"],
  readConfig,
  readGguf,
  build: (geometry) => buildStandard(geometry, { norms: ["attn_norm", "ffn_norm"], mixer: mixer(geometry) }),
});
