/**
 * step 3.5: layers with a window and more heads between some that see everything, a gate of one number for each head, dense layers
 * first, then routed experts and a shared block. Which layers are dense only a file's tensors tell for certain.
 * @source llama.cpp src/models/step35.cpp, conversion/step3.py Step35Model@v0.5.0
 */
import type { AttentionMixer, FeedForward, LayerSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, lacks, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import { moe } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut } from "./family-builder.ts";
import { type Fields, isRecord, LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromGguf, sliding } from "./heads.ts";
import { isLlama3Rope } from "./rope.ts";
import { afterDense, expertsFromGguf } from "./sparse.ts";
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
const TRAITS = { ...PLAIN_LAYER, qkNorm: true, experts: { ...PLAIN_EXPERTS, selectionBias: true } };

interface Step35 extends StandardDecoder {
  readonly window: number;
  readonly windowed: Windowed;
  readonly gated: boolean;
}

/** `layer_types` may go on past the last layer, for the extra blocks. */
function windowedLayers(fields: Fields, decoder: Decoder): Windowed {
  const types = fields.optionalList("layer_types") ?? [];
  const known = types.every((type) => type === "sliding_attention" || type === "full_attention");
  if (types.length < decoder.layerCount || !known) {
    fields.refuse("layer_types has no sliding_attention or full_attention for each layer");
  }
  return (layer) => types[layer] === "sliding_attention";
}

/** "3,4,5 …": the layers with experts; llama.cpp takes them to be all from the first of them on. */
function firstSparse(fields: Fields, decoder: Decoder): number {
  const listed = (fields.optionalString("moe_layers_enum") ?? "").split(",").map(Number);
  const layers = listed.filter(Number.isSafeInteger).sort((a, b) => a - b);
  const [first = decoder.layerCount] = layers;
  if (listed.length > 0 && layers.some((layer, i) => layer !== first + i)) {
    fields.refuse("moe_layers_enum leaves dense layers after the first with experts");
  }
  return first;
}

function headsFromStep(fields: Fields, decoder: Decoder, windowed: Windowed): Heads {
  const other = fields.optionalObject("attention_other_setting");
  const heads = fields.int("num_attention_heads", LIMITS.heads);
  const groups = fields.int("num_attention_groups", LIMITS.heads);
  const number = (key: string, otherwise: number): number => {
    const value = isRecord(other) ? other[key] : null;
    return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : otherwise;
  };
  const layers = Array.from({ length: decoder.layerCount }, (_, layer) => layer);
  const headDim = fields.int("head_dim", LIMITS.headDim);
  return {
    heads: layers.map((layer) => (windowed(layer) ? number("num_attention_heads", heads) : heads)),
    kvHeads: layers.map((layer) => (windowed(layer) ? number("num_attention_groups", groups) : groups)),
    headDimK: headDim,
    headDimV: headDim,
  };
}

function readConfig(fields: Fields): Step35 {
  const decoder = decoderFromConfig(fields, "step3.5", "step35", UNTIED);
  const windowed = windowedLayers(fields, decoder);
  const leading = firstSparse(fields, decoder);
  const block = moe(fields, {
    experts: fields.int("moe_num_experts", LIMITS.experts),
    expertsUsed: fields.int("moe_top_k", LIMITS.experts),
    expertWidth: fields.int("moe_intermediate_size", LIMITS.width),
    sharedWidth: fields.int("share_expert_dim", LIMITS.width),
    sharedGated: false,
  });
  const dense = gatedDense(fields.int("intermediate_size", LIMITS.width));
  const heads = headsFromStep(fields, decoder, windowed);
  return {
    ...decoder,
    heads,
    feedForward: afterDense(decoder, (layer) => (layer < leading ? dense : block)),
    traits: TRAITS,
    // Full layers turn half a head: the factors are of a whole one, the most that any layer turns.
    head: { ...PLAIN_HEAD, ropeFreqs: isLlama3Rope(fields) ? Math.ceil(heads.headDimK / 2) : null },
    window: fields.int("sliding_window", LIMITS.context),
    windowed,
    gated: fields.optionalBool("use_head_wise_attn_gate") ?? false,
  };
}

function readGguf(fields: Fields, header: GgufHeader): Step35 {
  const decoder = decoderFromGguf(fields, header, "step3.5", UNTIED);
  const block = expertsFromGguf(fields, { width: "expert_feed_forward_length", shared: "width" });
  const dense = denseFromGguf(fields, decoder);
  const leading = fields.optionalInt("leading_dense_block_count", orNone(LIMITS.layers)) ?? 0;
  const has = (layer: number, name: string): boolean | null => {
    const absent = lacks(header, `blk.${layer}.${name}.weight`);
    return absent === null ? null : !absent;
  };
  const blockOf = (layer: number): FeedForward =>
    (has(layer, "ffn_gate_inp") ?? layer >= leading) ? block : (dense[layer] ?? block);
  return {
    ...decoder,
    heads: headsFromGguf(fields, decoder),
    feedForward: afterDense(decoder, blockOf),
    traits: { ...TRAITS, qkNorm: has(0, "attn_q_norm") ?? true },
    head: headFromGguf(header),
    window: fields.int("attention.sliding_window", LIMITS.context),
    windowed: windowedFromGguf(fields, decoder, 0),
    gated: has(0, "attn_gate") ?? true,
  };
}

function layer(geometry: Step35, index: number): LayerSpec {
  const { window, windowed, gated, embedding } = geometry;
  const mixer = (heads: Heads, i: number, traits: Partial<AttentionMixer>): AttentionMixer =>
    windowed(i) ? sliding(heads, i, window, traits) : attention(heads, i, traits);
  const plain = standardLayer(geometry, { norms: ["attn_norm", "ffn_norm"], mixer }, index);
  if (!gated) return plain;
  const gate = blockTensor(index, "attn_gate.weight", [embedding, geometry.heads.heads[index] ?? 1], "attention");
  return { ...plain, tensors: [...plain.tensors, gate] };
}

export const step35 = defineFamily<Step35>({
  id: "step3.5",
  modelTypes: ["step3p5"],
  ggufArchitectures: ["step35"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry, geometry.head),
  }),
});
