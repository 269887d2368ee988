/**
 * afmoe (trinity): norms around both blocks, a gate of its own matrix on attention, three layers with a window to one that
 * sees everything and turns neither Q nor K, dense layers first, routed and shared experts.
 * @source llama.cpp src/models/afmoe.cpp, conversion/afmoe.py@v0.5.0
 */
import type { AttentionMixer, LayerSpec } from "../model.ts";
import { decoderFromConfig, decoderFromGguf, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromConfig, headsFromGguf, sliding } from "./heads.ts";
import { afterDense, expertsFromConfig, sparseFromGguf } from "./sparse.ts";
import {
  gatedDense,
  headFromGguf,
  PLAIN_LAYER,
  type StandardDecoder,
  standardLayer,
  traitsFromGguf,
} from "./standard.ts";
import { blockTensor, PLAIN_EXPERTS } from "./tensors.ts";
import { periodic, type Windowed, windowedFromGguf } from "./windows.ts";

const UNTIED = { tiedByDefault: false };
const PERIOD = 4;
const NORMS = ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"];
const TRAITS = { ...PLAIN_LAYER, qkNorm: true, experts: { ...PLAIN_EXPERTS, selectionBias: true } };

interface Afmoe extends StandardDecoder {
  readonly window: number | null;
  readonly windowed: Windowed;
}

function readConfig(fields: Fields): Afmoe {
  const decoder = decoderFromConfig(fields, "afmoe", "afmoe", UNTIED);
  const period = fields.optionalInt("global_attn_every_n_layers", LIMITS.layers) ?? PERIOD;
  const types = fields.optionalList("layer_types");
  const differs = types?.some((t, i) => t !== (periodic(PERIOD)(i) ? "sliding_attention" : "full_attention"));
  if (period !== PERIOD || differs === true) {
    fields.refuse("global_attn_every_n_layers or layer_types differ from one full layer in four: llama.cpp takes that");
  }
  const leading = fields.int("num_dense_layers", orNone(LIMITS.layers));
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
    window: fields.optionalInt("sliding_window", LIMITS.context),
    windowed: periodic(PERIOD),
  };
}

function readGguf(fields: Fields, header: GgufHeader): Afmoe {
  const decoder = decoderFromGguf(fields, header, "afmoe", UNTIED);
  const window = fields.optionalInt("attention.sliding_window", orNone(LIMITS.context)) ?? 0;
  const feedForward = sparseFromGguf(fields, decoder, { width: "expert_feed_forward_length", shared: "counted" });
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
    window: window === 0 ? null : window,
    windowed: windowedFromGguf(fields, decoder, PERIOD),
  };
}

function layer(geometry: Afmoe, index: number): LayerSpec {
  const { window, windowed, embedding } = geometry;
  const mixer = (heads: Heads, i: number, traits: Partial<AttentionMixer>): AttentionMixer => {
    const rotary = (i + 1) % PERIOD !== 0;
    const more = { ...traits, rotary };
    return window !== null && windowed(i) ? sliding(heads, i, window, more) : attention(heads, i, more);
  };
  const plain = standardLayer(geometry, { norms: NORMS, mixer }, index);
  const rows = (geometry.heads.heads[index] ?? 1) * geometry.heads.headDimK;
  return {
    ...plain,
    tensors: [...plain.tensors, blockTensor(index, "attn_gate.weight", [embedding, rows], "attention")],
  };
}

export const afmoe = defineFamily<Afmoe>({
  id: "afmoe",
  modelTypes: ["afmoe"],
  ggufArchitectures: ["afmoe"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry, geometry.head),
  }),
});
