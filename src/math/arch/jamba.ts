/**
 * jamba: seven mamba 1 layers to one that attends without positions, experts in every second layer. Which layers have experts
 * is not in the metadata: a file's tensors show it.
 * @source llama.cpp src/models/jamba.cpp, conversion/jamba.py@v0.5.0
 */
import type { FeedForward, LayerSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, lacks, outsideTensors } from "./decoder.ts";
import { moe } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromConfig } from "./heads.ts";
import { hybridHeads, hybridHeadsFromGguf } from "./hybrid.ts";
import {
  defaultStepRank,
  type Mamba1Geometry,
  mamba1FromGguf,
  mamba1Mixer,
  mamba1Tensors,
  twiceTheWidth,
} from "./mamba1-mixer.ts";
import { feedForwardTensors, gatedDense, PLAIN_LAYER } from "./standard.ts";
import { attentionTensors, norms } from "./tensors.ts";

/** JambaConfig's is true; every published config says false. */
const TIED = { tiedByDefault: true };
const UNTIED = { tiedByDefault: false };
/** expert_layer_offset and expert_layer_period of every published jamba. */
const PUBLISHED_EXPERTS = { offset: 1, period: 2 } as const;

interface Jamba extends Decoder {
  readonly heads: Heads;
  readonly mamba: Mamba1Geometry;
  readonly feedForward: readonly FeedForward[];
}

function layer({ heads, mamba, embedding, feedForward }: Jamba, index: number): LayerSpec {
  const block = feedForward[index] ?? { kind: "none" };
  const around = [
    ...norms(index, embedding, ["attn_norm", "ffn_norm"]),
    ...feedForwardTensors(index, embedding, block, PLAIN_LAYER),
  ];
  if ((heads.kvHeads[index] ?? 0) === 0) {
    const tensors = [...around, ...mamba1Tensors(index, embedding, mamba, { norms: true })];
    return plainLayer(index, [mamba1Mixer(mamba)], block, tensors);
  }
  const mixer = attention(heads, index, { rotary: false });
  return plainLayer(index, [mixer], block, [...around, ...attentionTensors(index, embedding, mixer, PLAIN_LAYER)]);
}

/** Layer i is one when i >= offset and (i - offset) is a multiple of the period. */
function every({ offset, period }: { readonly offset: number; readonly period: number }): (layer: number) => boolean {
  return (index) => index >= offset && (index - offset) % period === 0;
}

function periodFromConfig(fields: Fields, name: string): (layer: number) => boolean {
  return every({
    offset: fields.int(`${name}_layer_offset`, orNone(LIMITS.layers)),
    period: fields.int(`${name}_layer_period`, LIMITS.layers),
  });
}

function readConfig(fields: Fields): Jamba {
  const decoder = decoderFromConfig(fields, "jamba", "jamba", TIED);
  const width = fields.int("intermediate_size", LIMITS.width);
  const plain = headsFromConfig(fields, decoder);
  const hasExperts = periodFromConfig(fields, "expert");
  const geometry = { heads: plain.heads[0] ?? 1, kvHeads: plain.kvHeads[0] ?? 1, headDim: plain.headDimK };
  if (fields.optionalBool("mamba_proj_bias") === true)
    fields.refuse("mamba_proj_bias is true: llama.cpp has no such bias");
  if (fields.optionalBool("mamba_conv_bias") === false)
    fields.refuse("mamba_conv_bias is false: llama.cpp wants the bias");
  return {
    ...decoder,
    heads: hybridHeads(decoder, geometry, periodFromConfig(fields, "attn")),
    mamba: twiceTheWidth(fields, decoder.embedding, {
      inner: fields.int("mamba_expand", LIMITS.heads) * decoder.embedding,
      state: fields.optionalInt("mamba_d_state", LIMITS.headDim) ?? 16,
      stepRank: fields.optionalInt("mamba_dt_rank", LIMITS.width) ?? defaultStepRank(decoder.embedding),
      convKernel: fields.optionalInt("mamba_d_conv", LIMITS.headDim) ?? 4,
      stepNormed: true,
    }),
    feedForward: blocks(decoder, width, hasExperts, () =>
      experts(
        fields,
        width,
        fields.int("num_experts", LIMITS.experts),
        fields.int("num_experts_per_tok", LIMITS.experts),
      ),
    ),
  };
}

function readGguf(fields: Fields, header: GgufHeader): Jamba {
  const decoder = decoderFromGguf(fields, header, "jamba", UNTIED);
  const width = fields.int("feed_forward_length", LIMITS.width);
  const count = fields.optionalInt("expert_count", orNone(LIMITS.experts)) ?? 0;
  return {
    ...decoder,
    heads: hybridHeadsFromGguf(fields, decoder),
    mamba: mamba1FromGguf(fields, decoder.embedding, true),
    feedForward: blocks(decoder, width, expertsInGguf(fields, header, count), () =>
      experts(fields, width, count, fields.int("expert_used_count", LIMITS.experts)),
    ),
  };
}

function expertsInGguf(fields: Fields, header: GgufHeader, count: number): (layer: number) => boolean {
  if (count === 0) return () => false;
  if (header.tensors.length > 0) return (index) => lacks(header, `blk.${index}.ffn_gate_inp.weight`) === false;
  fields.warn(
    "Which layers have experts only a file's tensors tell: every second from layer 1 is taken, as in all published ones.",
  );
  return every(PUBLISHED_EXPERTS);
}

function experts(fields: Fields, expertWidth: number, count: number, expertsUsed: number): FeedForward {
  return moe(fields, { experts: count, expertsUsed, expertWidth, sharedWidth: 0, sharedGated: false });
}

function blocks(
  decoder: Decoder,
  width: number,
  hasExperts: (layer: number) => boolean,
  makeExperts: () => FeedForward,
): readonly FeedForward[] {
  const layers = Array.from({ length: decoder.layerCount }, (_, index) => hasExperts(index));
  const sparse = layers.includes(true) ? makeExperts() : null;
  return layers.map((has) => (has && sparse !== null ? sparse : gatedDense(width)));
}

export const jamba = defineFamily<Jamba>({
  id: "jamba",
  modelTypes: ["jamba"],
  ggufArchitectures: ["jamba"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry),
  }),
});
