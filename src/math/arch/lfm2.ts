/**
 * lfm2 and lfm2-moe: gated short convolutions, and attention in some layers. The output's norm is stored as the embedding's.
 * @source llama.cpp src/models/lfm2.cpp, lfm2moe.cpp, conversion/lfm2.py@v0.5.0
 */
import type { FeedForward, LayerSpec, StateMixer, TensorSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, outsideTensors } from "./decoder.ts";
import { moe } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromConfig, sliding } from "./heads.ts";
import { hybridHeads, hybridHeadsFromGguf } from "./hybrid.ts";
import { feedForwardTensors, gatedDense, PLAIN_LAYER } from "./standard.ts";
import { attentionTensors, blockTensor, norms, PLAIN_EXPERTS } from "./tensors.ts";

/** Lfm2Config's own. */
const TIED = { tiedByDefault: true };
const TRAITS = { ...PLAIN_LAYER, qkNorm: true, experts: { ...PLAIN_EXPERTS, selectionBias: true } };

interface Lfm2 extends Decoder {
  readonly heads: Heads;
  /** Columns that the convolution looks at. */
  readonly kernel: number;
  /** All layers that attend see a window of so many tokens; null: all tokens. */
  readonly window: number | null;
  readonly feedForward: readonly FeedForward[];
}

function layer({ heads, embedding, kernel, window, feedForward }: Lfm2, index: number): LayerSpec {
  const block = feedForward[index] ?? { kind: "none" };
  const around = [
    ...norms(index, embedding, ["attn_norm", "ffn_norm"]),
    ...feedForwardTensors(index, embedding, block, TRAITS),
  ];
  if ((heads.kvHeads[index] ?? 0) === 0) {
    const mixer = convolution(embedding, kernel);
    return plainLayer(index, [mixer], block, [...around, ...convolutionTensors(index, embedding, kernel)]);
  }
  const mixer = window === null ? attention(heads, index) : sliding(heads, index, window);
  return plainLayer(index, [mixer], block, [...around, ...attentionTensors(index, embedding, mixer, TRAITS)]);
}

/** Kept per sequence: the kernel's columns but the last, each of the embedding's width. */
function convolution(width: number, kernel: number): StateMixer {
  return {
    kind: "state",
    algorithm: "short-conv",
    convElements: (kernel - 1) * width,
    stateElements: 0,
    innerSize: width,
    stateSize: 0,
    heads: 1,
    groups: 0,
    convKernel: kernel,
    stepNormed: false,
  };
}

function convolutionTensors(layer: number, width: number, kernel: number): readonly TensorSpec[] {
  return [
    blockTensor(layer, "shortconv.conv.weight", [kernel, width], "state"),
    blockTensor(layer, "shortconv.in_proj.weight", [width, 3 * width], "state"),
    blockTensor(layer, "shortconv.out_proj.weight", [width, width], "state"),
  ];
}

/** lfm2's configs say the width before two thirds are taken of it, and rounded up. */
function denseWidth(fields: Fields): number {
  const width = fields.int(fields.has("block_ff_dim") ? "block_ff_dim" : "intermediate_size", LIMITS.width);
  if (fields.optionalBool("block_auto_adjust_ff_dim") === false) return width;
  const factor = fields.optionalNumber("block_ffn_dim_multiplier") ?? 1;
  const multiple = fields.optionalInt("block_multiple_of", LIMITS.width) ?? 256;
  return Math.ceil(Math.floor(factor * Math.floor((2 * width) / 3)) / multiple) * multiple;
}

/** `layer_types`, or the indices of the layers that attend. */
function attendsFromConfig(fields: Fields): (layer: number) => boolean {
  const types = fields.optionalList("layer_types");
  if (types === null) {
    const indices = fields.optionalList("full_attn_idxs");
    if (indices === null) fields.refuse("layer_types and full_attn_idxs are missing: which layers attend is not known");
    return (index) => indices?.includes(index) === true;
  }
  const odd = types.find((type) => type !== "conv" && type !== "full_attention");
  if (odd !== undefined) fields.refuse(`layer_types has ${JSON.stringify(odd)}: conv or full_attention is wanted`);
  return (index) => types[index] === "full_attention";
}

function expertsFromConfig(fields: Fields): FeedForward {
  return moe(fields, {
    experts: fields.int("num_experts", LIMITS.experts),
    expertsUsed: fields.int("num_experts_per_tok", LIMITS.experts),
    expertWidth: fields.int("moe_intermediate_size", LIMITS.width),
    sharedWidth: 0,
    sharedGated: false,
  });
}

function readConfig(fields: Fields): Lfm2 {
  const sparse = fields.is("model_type", "lfm2_moe");
  const plain = decoderFromConfig(fields, "lfm2", sparse ? "lfm2moe" : "lfm2", TIED);
  // Older configs spell it without "word".
  const decoder = { ...plain, tied: fields.optionalBool("tie_embedding") ?? plain.tied };
  if (fields.optionalBool("conv_bias") === true)
    fields.refuse("conv_bias is true: llama.cpp has no bias on convolutions");
  const one = headsFromConfig(fields, decoder);
  const shape = { heads: one.heads[0] ?? 1, kvHeads: one.kvHeads[0] ?? 1, headDim: one.headDimK };
  const dense = gatedDense(sparse ? fields.int("intermediate_size", LIMITS.width) : denseWidth(fields));
  const leading = sparse ? fields.int("num_dense_layers", orNone(LIMITS.layers)) : decoder.layerCount;
  return {
    ...decoder,
    heads: hybridHeads(decoder, shape, attendsFromConfig(fields)),
    kernel: fields.int("conv_L_cache", { min: 2, max: LIMITS.headDim.max }),
    window: null,
    feedForward: leadingDense(decoder, leading, dense, sparse ? expertsFromConfig(fields) : dense),
  };
}

function leadingDense(
  decoder: Decoder,
  leading: number,
  dense: FeedForward,
  rest: FeedForward,
): readonly FeedForward[] {
  return Array.from({ length: decoder.layerCount }, (_, index) => (index < leading ? dense : rest));
}

function readGguf(fields: Fields, header: GgufHeader): Lfm2 {
  const decoder = decoderFromGguf(fields, header, "lfm2", TIED);
  const sparse = header.architecture === "lfm2moe";
  const dense = gatedDense(fields.int("feed_forward_length", LIMITS.width));
  const leading = sparse
    ? (fields.optionalInt("leading_dense_block_count", orNone(LIMITS.layers)) ?? 0)
    : decoder.layerCount;
  const window = fields.optionalInt("attention.sliding_window", orNone(LIMITS.context)) ?? 0;
  return {
    ...decoder,
    heads: hybridHeadsFromGguf(fields, decoder),
    kernel: fields.int("shortconv.l_cache", { min: 2, max: LIMITS.headDim.max }),
    window: window > 0 ? window : null,
    feedForward: leadingDense(decoder, leading, dense, sparse ? expertsFromGguf(fields) : dense),
  };
}

function expertsFromGguf(fields: Fields): FeedForward {
  return moe(fields, {
    experts: fields.int("expert_count", LIMITS.experts),
    expertsUsed: fields.int("expert_used_count", LIMITS.experts),
    expertWidth: fields.int("expert_feed_forward_length", LIMITS.width),
    sharedWidth: 0,
    sharedGated: false,
  });
}

export const lfm2 = defineFamily<Lfm2>({
  id: "lfm2",
  modelTypes: ["lfm2", "lfm2_moe"],
  ggufArchitectures: ["lfm2", "lfm2moe"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry).map((tensor) =>
      tensor.name === "output_norm.weight" ? { ...tensor, name: "token_embd_norm.weight" } : tensor,
    ),
  }),
});
