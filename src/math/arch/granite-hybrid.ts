/**
 * granite 4 (granitemoehybrid) and bamba: mamba 2 in most layers, attention in a few, with positions in bamba only; dense, or
 * experts beside a shared one. A config whose layers all attend is converted to the architecture "granite" or "granitemoe".
 * @source llama.cpp src/models/granite-hybrid.cpp, conversion/granite.py@v0.5.0
 */
import type { FeedForward, LayerSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, lacks, outsideTensors } from "./decoder.ts";
import { moe } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromConfig } from "./heads.ts";
import { hybridHeads, hybridHeadsFromGguf } from "./hybrid.ts";
import { checked, type Mamba2Geometry, mamba2FromGguf, mamba2Mixer, mamba2Tensors } from "./mamba.ts";
import { feedForwardTensors, gatedDense, type LayerTraits, PLAIN_LAYER, traitsFromGguf } from "./standard.ts";
import { attentionTensors, norms } from "./tensors.ts";

const UNTIED = { tiedByDefault: false };
const VOCABULARY_MULTIPLE = 8;

interface GraniteHybrid extends Decoder {
  readonly heads: Heads;
  readonly mamba: Mamba2Geometry | null;
  readonly convBias: boolean;
  readonly rotary: boolean;
  readonly feedForward: FeedForward;
  readonly traits: LayerTraits;
}

function layer(geometry: GraniteHybrid, index: number): LayerSpec {
  const { heads, mamba, embedding, feedForward, traits, convBias } = geometry;
  const around = [
    ...norms(index, embedding, ["attn_norm", "ffn_norm"]),
    ...feedForwardTensors(index, embedding, feedForward, traits),
  ];
  if ((heads.kvHeads[index] ?? 0) === 0 && mamba !== null) {
    const tensors = mamba2Tensors(index, embedding, mamba, { norm: true, convBias });
    return plainLayer(index, [mamba2Mixer(mamba)], feedForward, [...around, ...tensors]);
  }
  const mixer = attention(heads, index, { rotary: geometry.rotary });
  const tensors = attentionTensors(index, embedding, mixer, traits);
  return plainLayer(index, [mixer], feedForward, [...around, ...tensors]);
}

const ATTEND = ["attention", "full_attention"];
const RECUR = ["mamba", "linear_attention"];

/** `layer_types`, or bamba's indices, or a period. */
function attendsFromConfig(fields: Fields): (layer: number) => boolean {
  const types = fields.optionalList("layer_types");
  if (types !== null) {
    const odd = types.find((type) => typeof type !== "string" || ![...ATTEND, ...RECUR].includes(type));
    if (odd !== undefined) fields.refuse(`layer_types has ${JSON.stringify(odd)}: attention or mamba is wanted`);
    return (index) => ATTEND.includes(String(types[index]));
  }
  const indices = fields.optionalList("attn_layer_indices") ?? [];
  if (indices.length > 0) return (index) => indices.includes(index);
  const period = fields.int("attn_layer_period", LIMITS.layers);
  const offset = fields.int("attn_layer_offset", orNone(LIMITS.layers));
  return (index) => index % period === offset;
}

function mambaFromConfig(fields: Fields, width: number): Mamba2Geometry {
  const heads = fields.int("mamba_n_heads", LIMITS.heads);
  const inner = (fields.optionalInt("mamba_expand", LIMITS.heads) ?? 2) * width;
  return twice(
    fields,
    width,
    checked(fields, {
      inner,
      state: fields.int("mamba_d_state", LIMITS.headDim),
      heads,
      groups: fields.int("mamba_n_groups", LIMITS.heads),
      convKernel: fields.int("mamba_d_conv", LIMITS.headDim),
    }),
  );
}

/** The loader refuses any other. */
function twice(fields: Fields, width: number, geometry: Mamba2Geometry): Mamba2Geometry {
  if (fields.problems.length === 0 && geometry.inner !== 2 * width) {
    fields.refuse(`an inner width of ${geometry.inner}: llama.cpp wants twice the embedding's (${2 * width})`);
  }
  return geometry;
}

function feedForwardFromConfig(fields: Fields): FeedForward {
  const width = fields.int("intermediate_size", LIMITS.width);
  const experts = fields.optionalInt("num_local_experts", orNone(LIMITS.experts)) ?? 0;
  const shared = fields.optionalInt("shared_intermediate_size", orNone(LIMITS.width)) ?? 0;
  if (experts > 0) {
    const expertsUsed = fields.int("num_experts_per_tok", LIMITS.experts);
    return moe(fields, { experts, expertsUsed, expertWidth: width, sharedWidth: shared, sharedGated: false });
  }
  // Without experts, the shared one's matrices are converted as the dense block, of the width that the metadata has.
  if (shared > 0 && shared !== width) {
    fields.refuse(
      `intermediate_size is ${width} and shared_intermediate_size ${shared}: without experts they are to be one`,
    );
  }
  return gatedDense(width);
}

function readConfig(fields: Fields): GraniteHybrid {
  const attends = attendsFromConfig(fields);
  const plain = decoderFromConfig(fields, "granite-hybrid", "granitehybrid", UNTIED);
  const recurs = Array.from({ length: plain.layerCount }, (_, index) => attends(index)).includes(false);
  const feedForward = feedForwardFromConfig(fields);
  const decoder = recurs
    ? { ...plain, vocabulary: Math.ceil(plain.vocabulary / VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE }
    : { ...plain, architecture: feedForward.kind === "moe" ? "granitemoe" : "granite" };
  const isBamba = fields.is("model_type", "bamba");
  const one = headsFromConfig(fields, decoder);
  const shape = { heads: one.heads[0] ?? 1, kvHeads: one.kvHeads[0] ?? 1, headDim: one.headDimK };
  const bias = fields.optionalBool("attention_bias") ?? false;
  if (fields.optionalBool("mamba_proj_bias") === true)
    fields.refuse("mamba_proj_bias is true: llama.cpp has no such bias");
  return {
    ...decoder,
    // Trained without positions, so that no length is too long: the converter writes 2^20.
    context: recurs && !isBamba ? 2 ** 20 : decoder.context,
    heads: hybridHeads(decoder, shape, attends),
    mamba: recurs ? mambaFromConfig(fields, decoder.embedding) : null,
    convBias: fields.optionalBool("mamba_conv_bias") ?? true,
    rotary: isBamba || !recurs,
    feedForward,
    traits: { ...PLAIN_LAYER, qkvBias: bias, outputBias: bias, denseBias: fields.optionalBool("mlp_bias") ?? false },
  };
}

function readGguf(fields: Fields, header: GgufHeader): GraniteHybrid {
  const decoder = decoderFromGguf(fields, header, "granite-hybrid", UNTIED);
  const heads = hybridHeadsFromGguf(fields, decoder);
  const attends = heads.kvHeads.findIndex((count) => count > 0);
  const recurs = heads.kvHeads.indexOf(0);
  const traits = traitsFromGguf(header, PLAIN_LAYER, Math.max(attends, 0));
  return {
    ...decoder,
    heads,
    mamba: twice(fields, decoder.embedding, mamba2FromGguf(fields)),
    convBias: lacks(header, `blk.${Math.max(recurs, 0)}.ssm_conv1d.bias`) !== true,
    rotary: fields.optionalBool("rope.scaling.finetuned") ?? true,
    feedForward: feedForwardFromGguf(fields),
    traits,
  };
}

function feedForwardFromGguf(fields: Fields): FeedForward {
  const width = fields.int("feed_forward_length", LIMITS.width);
  const experts = fields.optionalInt("expert_count", orNone(LIMITS.experts)) ?? 0;
  if (experts === 0) return gatedDense(width);
  return moe(fields, {
    experts,
    expertsUsed: fields.int("expert_used_count", LIMITS.experts),
    expertWidth: width,
    sharedWidth: fields.optionalInt("expert_shared_feed_forward_length", orNone(LIMITS.width)) ?? 0,
    sharedGated: false,
  });
}

export const graniteHybrid = defineFamily<GraniteHybrid>({
  id: "granite-hybrid",
  modelTypes: ["granitemoehybrid", "bamba"],
  ggufArchitectures: ["granitehybrid"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry),
  }),
});
