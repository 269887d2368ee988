/**
 * mimo v2 (flash, 2.5): layers with a window, each with more KV heads and a sink for each head, between some that see
 * everything; values are smaller than keys. A dense layer first, then experts. Which layers are dense only tensors tell.
 * @source llama.cpp src/models/mimo2.cpp, conversion/mimo.py MimoV2Model@v0.5.0
 */
import type { AttentionMixer, FeedForward, LayerSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, lacks, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut } from "./family-builder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { attention, type Heads, headsFromConfig, headsFromGguf, sliding } from "./heads.ts";
import { afterDense, expertsFromConfig, expertsFromGguf } from "./sparse.ts";
import {
  denseFromGguf,
  gatedDense,
  headFromGguf,
  PLAIN_LAYER,
  type StandardDecoder,
  standardLayer,
} from "./standard.ts";
import { blockTensor, PLAIN_EXPERTS } from "./tensors.ts";
import { type Windowed, windowedFromGguf } from "./windows.ts";

const UNTIED = { tiedByDefault: false };
const TRAITS = { ...PLAIN_LAYER, experts: { ...PLAIN_EXPERTS, selectionBias: true } };

interface Mimo2 extends StandardDecoder {
  readonly window: number;
  readonly windowed: Windowed;
  readonly sinks: (layer: number) => boolean;
  readonly fused: (layer: number) => boolean;
}

/** A list of 0 and 1, one for each layer. */
function flags(fields: Fields, key: string, decoder: Decoder): (layer: number) => boolean {
  const list = fields.optionalPerLayer(key, decoder.layerCount, { min: 0, max: 1 });
  if (list === null) {
    fields.int(key, { min: 0, max: 1 });
    return () => false;
  }
  return (layer) => list[layer] === 1;
}

/** llama.cpp has one size for the heads of both kinds of layer. */
function checkSameHeads(fields: Fields): void {
  for (const key of ["num_attention_heads", "head_dim", "v_head_dim"]) {
    const own = fields.optionalInt(key, LIMITS.headDim);
    const windowed = fields.optionalInt(`swa_${key}`, LIMITS.headDim);
    if (windowed !== null && windowed !== own) fields.refuse(`swa_${key} (${windowed}) is not ${key} (${own})`);
  }
}

function readConfig(fields: Fields): Mimo2 {
  const decoder = decoderFromConfig(fields, "mimo2", "mimo2", UNTIED);
  checkSameHeads(fields);
  const heads = headsFromConfig(fields, decoder);
  const windowed = flags(fields, "hybrid_layer_pattern", decoder);
  const sparse = flags(fields, "moe_layer_freq", decoder);
  const windowedKvHeads = fields.optionalInt("swa_num_key_value_heads", LIMITS.heads);
  const block = expertsFromConfig(fields, {
    experts: "n_routed_experts",
    expertsUsed: "num_experts_per_tok",
    expertWidth: "moe_intermediate_size",
    sharedExperts: "n_shared_experts",
  });
  if (block.sharedWidth > 0) fields.refuse("n_shared_experts is set: llama.cpp has no shared experts here");
  const dense = gatedDense(fields.int("intermediate_size", LIMITS.width));
  const windowedSinks = fields.optionalBool("add_swa_attention_sink_bias") ?? false;
  const fullSinks = fields.optionalBool("add_full_attention_sink_bias") ?? false;
  return {
    ...decoder,
    heads: {
      ...heads,
      headDimV: fields.optionalInt("v_head_dim", LIMITS.headDim) ?? heads.headDimK,
      kvHeads: heads.kvHeads.map((full, layer) => (windowed(layer) ? (windowedKvHeads ?? full) : full)),
    },
    feedForward: afterDense(decoder, (layer) => (sparse(layer) ? block : dense)),
    traits: TRAITS,
    head: PLAIN_HEAD,
    window: fields.int("sliding_window", LIMITS.context),
    windowed,
    sinks: (layer) => (windowed(layer) ? windowedSinks : fullSinks),
    fused: () => false,
  };
}

function readGguf(fields: Fields, header: GgufHeader): Mimo2 {
  const decoder = decoderFromGguf(fields, header, "mimo2", UNTIED);
  const windowed = windowedFromGguf(fields, decoder, 0);
  const block = expertsFromGguf(fields, { width: "expert_feed_forward_length", shared: "none" });
  const dense = denseFromGguf(fields, decoder);
  const listed = header.tensors.length > 0;
  if (!listed)
    fields.warn("Which layers are dense or have sinks only a file's tensors tell: taken as in all published.");
  const has = (layer: number, name: string): boolean => lacks(header, `blk.${layer}.${name}`) === false;
  const sparse = (layer: number): boolean =>
    listed ? has(layer, "ffn_gate_inp.weight") : layer > 0 && layer < decoder.layerCount;
  const blockOf = (layer: number): FeedForward => (sparse(layer) ? block : (dense[layer] ?? block));
  return {
    ...decoder,
    heads: headsFromGguf(fields, decoder),
    feedForward: afterDense(decoder, blockOf),
    traits: TRAITS,
    head: headFromGguf(header),
    window: fields.int("attention.sliding_window", LIMITS.context),
    windowed,
    sinks: listed ? (layer) => has(layer, "attn_sinks.weight") : windowed,
    fused: (layer) => has(layer, "attn_qkv.weight"),
  };
}

function layer(geometry: Mimo2, index: number): LayerSpec {
  const { window, windowed, heads } = geometry;
  const mixer = (all: Heads, i: number, traits: Partial<AttentionMixer>): AttentionMixer => {
    const more = { ...traits, fusedQkv: geometry.fused(i) };
    return windowed(i) ? sliding(all, i, window, more) : attention(all, i, more);
  };
  const plain = standardLayer(geometry, { norms: ["attn_norm", "ffn_norm"], mixer }, index);
  if (!geometry.sinks(index)) return plain;
  const sinks = blockTensor(index, "attn_sinks.weight", [heads.heads[index] ?? 1], "attention");
  return { ...plain, tensors: [...plain.tensors, sinks] };
}

export const mimo2 = defineFamily<Mimo2>({
  id: "mimo2",
  modelTypes: ["mimo_v2_flash", "mimo_v2"],
  ggufArchitectures: ["mimo2"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry, geometry.head),
  }),
});
