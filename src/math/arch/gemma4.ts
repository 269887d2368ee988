/**
 * gemma 4: gemma 3's norms and windows; heads of another size, and fewer of K and V, where a layer sees everything, and there
 * often no matrix of values: they are the keys, normed otherwise. The smaller models (E2B, E4B) add a part of a second
 * embedding to each layer, and their last layers read the keys and values of earlier ones. The 26B has routed experts beside
 * the dense block.
 * @source llama.cpp src/models/gemma4.cpp, conversion/gemma.py Gemma4Model@v0.5.0
 */
import type { AttentionMixer, FeedForward, LayerSpec, TensorSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, lacks, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import { moe } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { type Blocks, defineFamily, layOut } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { headPair, ownerOf, perLayerOutside, perLayerTensors } from "./gemma-shared.ts";
import { withTiedHead } from "./gemma2.ts";
import { blockTensor, denseTensors, expertTensors, norms, PLAIN_EXPERTS } from "./tensors.ts";
import { type Windowed, windowedFromConfig, windowedFromGguf } from "./windows.ts";

const TIED = { tiedByDefault: true };
const NORMS = ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"];
const EXPERT_NORMS = ["post_ffw_norm_1", "pre_ffw_norm_2", "post_ffw_norm_2"];

interface Gemma4 extends Decoder {
  readonly heads: readonly number[];
  readonly kvHeads: readonly number[];
  readonly headDim: number;
  readonly windowHeadDim: number;
  readonly window: number;
  readonly windowed: Windowed;
  /** Layers from here on read the caches of the last two kinds before. */
  readonly firstSharing: number;
  /** Layers that see everything have no matrix of values. */
  readonly valuesAreKeys: boolean;
  /** Whether layers without a cache of their own have the matrices for it all the same. */
  readonly sharingHaveMatrices: boolean;
  readonly widths: readonly number[];
  readonly experts: { readonly count: number; readonly used: number; readonly width: number } | null;
  readonly fusedExperts: boolean;
  /** A factor for each expert's output, kept beside the matrix down. */
  readonly scaledExperts: boolean;
  /** Elements of the second embedding's part for one layer; 0: none. */
  readonly perLayer: number;
}

function mixer(geometry: Gemma4, layer: number): AttentionMixer {
  const { heads, kvHeads, headDim, windowHeadDim, window, windowed } = geometry;
  const narrow = windowed(layer);
  const size = narrow ? windowHeadDim : headDim;
  return {
    kind: narrow ? "sliding" : "full",
    heads: heads[layer] ?? 1,
    kvHeads: kvHeads[layer] ?? 1,
    headDimK: size,
    headDimV: size,
    window: narrow ? window : null,
    fusedQkv: false,
    scaledQuery: false,
    gated: false,
    rotary: true,
    cached: true,
  };
}

function feedForward(
  fields: { readonly experts: Gemma4["experts"]; readonly widths: readonly number[] },
  layer: number,
): FeedForward {
  const width = fields.widths[layer] ?? 1;
  const { experts } = fields;
  if (experts === null) return { kind: "dense", width, gated: true, fusedGateUp: false };
  // The dense block works beside the experts for every token: one more expert that all share.
  return {
    kind: "moe",
    experts: experts.count,
    expertsUsed: experts.used,
    expertWidth: experts.width,
    sharedWidth: width,
    sharedGated: false,
  };
}

function attentionTensors(geometry: Gemma4, layer: number, owns: boolean, mix: AttentionMixer): readonly TensorSpec[] {
  const { embedding } = geometry;
  const queries = mix.heads * mix.headDimK;
  const keys = mix.kvHeads * mix.headDimK;
  const list = [
    blockTensor(layer, "attn_q.weight", [embedding, queries], "attention"),
    blockTensor(layer, "attn_output.weight", [queries, embedding], "attention"),
    blockTensor(layer, "attn_q_norm.weight", [mix.headDimK], "norm"),
  ];
  if (!owns && !geometry.sharingHaveMatrices) return list;
  list.push(blockTensor(layer, "attn_k.weight", [embedding, keys], "attention"));
  list.push(blockTensor(layer, "attn_k_norm.weight", [mix.headDimK], "norm"));
  if (mix.kind === "sliding" || !geometry.valuesAreKeys) {
    list.push(blockTensor(layer, "attn_v.weight", [embedding, keys], "attention"));
  }
  return list;
}

function layer(geometry: Gemma4, index: number): LayerSpec {
  const { embedding, firstSharing, windowed } = geometry;
  const mix = mixer(geometry, index);
  const block = feedForward(geometry, index);
  const width = geometry.widths[index] ?? 1;
  const dense = denseTensors(index, embedding, { kind: "dense", width, gated: true, fusedGateUp: false });
  const routed =
    block.kind === "moe"
      ? [
          ...expertTensors(
            index,
            embedding,
            { ...block, sharedWidth: 0 },
            { ...PLAIN_EXPERTS, fusedGateUp: geometry.fusedExperts },
          ),
          blockTensor(index, "ffn_gate_inp.scale", [embedding], "router"),
          ...(geometry.scaledExperts ? [blockTensor(index, "ffn_down_exps.scale", [block.experts], "router")] : []),
          ...norms(index, embedding, EXPERT_NORMS),
        ]
      : [];
  const owner = ownerOf(index, firstSharing, windowed);
  return {
    index,
    mixers: [mix],
    feedForward: block,
    kvSharedWith: owner,
    sideCaches: [],
    tensors: [
      ...norms(index, embedding, NORMS),
      ...attentionTensors(geometry, index, owner === null, mix),
      ...dense.map((tensor) => (block.kind === "moe" ? { ...tensor, role: "shared-expert" as const } : tensor)),
      ...routed,
      blockTensor(index, "layer_output_scale.weight", [1], "other"),
      ...perLayerTensors(index, embedding, geometry.perLayer),
    ],
  };
}

function build(geometry: Gemma4): Blocks {
  const head = { ...PLAIN_HEAD, ropeFreqs: Math.ceil(geometry.headDim / 2) };
  return {
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: [...outsideTensors(geometry, head), ...perLayerOutside(geometry, geometry.perLayer)],
  };
}

function readConfig(fields: Fields): Gemma4 {
  const decoder = withTiedHead(decoderFromConfig(fields, "gemma4", "gemma4", TIED));
  const windowed = windowedFromConfig(fields, decoder, 6);
  if (!fields.holdsList("layer_types")) fields.int("layer_types", LIMITS.layers);
  const heads = fields.int("num_attention_heads", LIMITS.heads);
  const windowKvHeads = fields.int("num_key_value_heads", LIMITS.heads);
  const kvHeads = fields.optionalInt("num_global_key_value_heads", LIMITS.heads) ?? windowKvHeads;
  const windowHeadDim = fields.int("head_dim", LIMITS.headDim);
  const shared = fields.optionalInt("num_kv_shared_layers", orNone(LIMITS.layers)) ?? 0;
  const firstSharing = firstSharingOf(fields, decoder, shared);
  const width = fields.int("intermediate_size", LIMITS.width);
  const wide = fields.optionalBool("use_double_wide_mlp") ?? false;
  const list = <T>(make: (layer: number) => T): readonly T[] =>
    Array.from({ length: decoder.layerCount }, (_, i) => make(i));
  const expertsOn = fields.optionalBool("enable_moe_block") ?? false;
  const expertKey = fields.has("moe_intermediate_size") ? "moe_intermediate_size" : "expert_intermediate_size";
  return {
    ...decoder,
    heads: list(() => heads),
    kvHeads: list((i) => headPair(fields, heads, windowed(i) ? windowKvHeads : kvHeads)),
    headDim: fields.int("global_head_dim", LIMITS.headDim),
    windowHeadDim,
    window: fields.int("sliding_window", LIMITS.context),
    windowed,
    firstSharing,
    valuesAreKeys: fields.optionalBool("attention_k_eq_v") ?? false,
    sharingHaveMatrices: false,
    widths: list((i) => (wide && i >= firstSharing ? 2 * width : width)),
    experts: expertsOn ? checkedExperts(fields, ["num_experts", "top_k_experts", expertKey]) : null,
    fusedExperts: true,
    scaledExperts: true,
    perLayer: fields.optionalInt("hidden_size_per_layer_input", orNone(LIMITS.width)) ?? 0,
  };
}

function checkedExperts(
  fields: Fields,
  [count, used, width]: readonly [string, string, string],
): NonNullable<Gemma4["experts"]> {
  const made = moe(fields, {
    experts: fields.int(count, LIMITS.experts),
    expertsUsed: fields.int(used, LIMITS.experts),
    expertWidth: fields.int(width, LIMITS.width),
    sharedWidth: 0,
    sharedGated: false,
  });
  return { count: made.experts, used: made.expertsUsed, width: made.expertWidth };
}

function firstSharingOf(fields: Fields, { layerCount }: Decoder, shared: number): number {
  const first = layerCount - shared;
  if (shared > 0 && first < 2) {
    fields.refuse(`${shared} of ${layerCount} layers share keys and values: two at least must have their own`);
  }
  return Math.max(first, shared > 0 ? 2 : 0);
}

function readGguf(fields: Fields, header: GgufHeader): Gemma4 {
  const decoder = decoderFromGguf(fields, header, "gemma4", TIED);
  const { layerCount } = decoder;
  const heads = fields.perLayer("attention.head_count", layerCount, LIMITS.heads);
  const kvHeads = fields.optionalPerLayer("attention.head_count_kv", layerCount, LIMITS.heads) ?? heads;
  const firstSharing = firstSharingOf(
    fields,
    decoder,
    fields.optionalInt("attention.shared_kv_layers", orNone(LIMITS.layers)) ?? 0,
  );
  const experts = fields.optionalInt("expert_count", orNone(LIMITS.experts)) ?? 0;
  if (!fields.holdsList("attention.sliding_window_pattern"))
    fields.int("attention.sliding_window_pattern", LIMITS.layers);
  const windowed = windowedFromGguf(fields, decoder, 6);
  const whole = Array.from({ length: layerCount }, (_, i) => i).find((i) => !windowed(i) && i < firstSharing);
  return {
    ...decoder,
    heads,
    kvHeads: kvHeads.map((count, i) => headPair(fields, heads[i] ?? 1, count)),
    headDim: fields.int("attention.key_length", LIMITS.headDim),
    windowHeadDim: fields.int("attention.key_length_swa", LIMITS.headDim),
    window: fields.int("attention.sliding_window", LIMITS.context),
    windowed,
    firstSharing,
    valuesAreKeys: whole !== undefined && lacks(header, `blk.${whole}.attn_v.weight`) !== false,
    sharingHaveMatrices: lacks(header, `blk.${firstSharing}.attn_k.weight`) === false,
    widths: fields.perLayer("feed_forward_length", layerCount, LIMITS.width),
    experts:
      experts === 0
        ? null
        : checkedExperts(fields, ["expert_count", "expert_used_count", "expert_feed_forward_length"]),
    fusedExperts: lacks(header, "blk.0.ffn_gate_up_exps.weight") !== true,
    scaledExperts: lacks(header, "blk.0.ffn_down_exps.scale") !== true,
    perLayer: fields.optionalInt("embedding_length_per_layer_input", orNone(LIMITS.width)) ?? 0,
  };
}

export const gemma4 = defineFamily<Gemma4>({
  id: "gemma4",
  modelTypes: ["gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text"],
  ggufArchitectures: ["gemma4"],
  readConfig,
  readGguf,
  build,
});
