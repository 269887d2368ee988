/**
 * The decoder that most families are: per layer some norms, softmax attention, a dense or mixture-of-experts block.
 * A family says how it differs, as data; what differs more has a layer builder of its own.
 */
import type { AttentionMixer, DenseFeedForward, FeedForward, LayerSpec, TensorSpec } from "../model.ts";
import { type Decoder, type HeadTraits, lacks, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import type { Blocks } from "./family-builder.ts";
import { layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { attention, type Heads } from "./heads.ts";
import { attentionTensors, denseTensors, type ExpertTraits, expertTensors, norms, PLAIN_EXPERTS } from "./tensors.ts";

/** What a file's tensor list shows and its metadata does not: fused matrices, biases, norms. */
export interface LayerTraits {
  readonly fusedQkv: boolean;
  readonly qkvBias: boolean;
  readonly outputBias: boolean;
  readonly qkNorm: boolean;
  readonly denseBias: boolean;
  readonly experts: ExpertTraits;
}

export const PLAIN_LAYER: LayerTraits = {
  fusedQkv: false,
  qkvBias: false,
  outputBias: false,
  qkNorm: false,
  denseBias: false,
  experts: PLAIN_EXPERTS,
};

export interface StandardDecoder extends Decoder {
  readonly heads: Heads;
  /** One for each layer, multi-token-prediction blocks last. */
  readonly feedForward: readonly FeedForward[];
  readonly traits: LayerTraits;
  readonly head: HeadTraits;
}

export interface StandardShape {
  /** Names of the norms of the embedding's width. */
  readonly norms: readonly string[];
  readonly mixer?: (heads: Heads, layer: number, traits: Partial<AttentionMixer>) => AttentionMixer;
}

export function standardLayer(geometry: StandardDecoder, shape: StandardShape, layer: number): LayerSpec {
  const { embedding, heads, traits } = geometry;
  const mixer = (shape.mixer ?? attention)(heads, layer, { fusedQkv: traits.fusedQkv });
  const feedForward = geometry.feedForward[layer] ?? { kind: "none" };
  return plainLayer(layer, [mixer], feedForward, [
    ...norms(layer, embedding, shape.norms),
    ...attentionTensors(layer, embedding, mixer, traits),
    ...feedForwardTensors(layer, embedding, feedForward, traits),
  ]);
}

export function feedForwardTensors(
  layer: number,
  width: number,
  feedForward: FeedForward,
  traits: LayerTraits,
): readonly TensorSpec[] {
  switch (feedForward.kind) {
    case "dense":
      return denseTensors(layer, width, feedForward, traits.denseBias);
    case "moe":
      return expertTensors(layer, width, feedForward, traits.experts);
    case "none":
      return [];
    default:
      return feedForward satisfies never;
  }
}

export function buildStandard(geometry: StandardDecoder, shape: StandardShape): Blocks {
  return {
    ...layOut(geometry, (layer) => standardLayer(geometry, shape, layer)),
    outside: outsideTensors(geometry, geometry.head),
  };
}

/** The same block in each layer. */
export function everyLayer<T>(decoder: Decoder, block: T): readonly T[] {
  return Array.from({ length: decoder.layerCount + decoder.mtpCount }, () => block);
}

export function gatedDense(width: number, fusedGateUp = false): DenseFeedForward {
  return { kind: "dense", width, gated: true, fusedGateUp };
}

/** Gated dense blocks of the widths that the metadata gives, one for all layers or one for each. */
export function denseFromGguf(fields: Fields, decoder: Decoder, fusedGateUp = false): readonly DenseFeedForward[] {
  const blocks = decoder.layerCount + decoder.mtpCount;
  return fields.perLayer("feed_forward_length", blocks, LIMITS.width).map((width) => gatedDense(width, fusedGateUp));
}

/**
 * Traits as one layer of the file shows them, and `unlisted` where the header came without tensors. Whether Q and K
 * have norms is the architecture's to say.
 */
export function traitsFromGguf(header: GgufHeader, unlisted: LayerTraits, layer = 0): LayerTraits {
  const has = (name: string, otherwise: boolean): boolean => {
    const absent = lacks(header, `blk.${layer}.${name}`);
    return absent === null ? otherwise : !absent;
  };
  return {
    fusedQkv: has("attn_qkv.weight", unlisted.fusedQkv),
    qkvBias: has("attn_q.bias", unlisted.qkvBias) || has("attn_qkv.bias", unlisted.qkvBias),
    outputBias: has("attn_output.bias", unlisted.outputBias),
    qkNorm: unlisted.qkNorm,
    denseBias: has("ffn_down.bias", unlisted.denseBias),
    experts: {
      fusedGateUp: has("ffn_gate_up_exps.weight", unlisted.experts.fusedGateUp),
      bias: has("ffn_down_exps.bias", unlisted.experts.bias),
      selectionBias: has("exp_probs_b.bias", unlisted.experts.selectionBias),
    },
  };
}

/** Vectors outside the layers that only the tensor list shows. */
export function headFromGguf(header: GgufHeader): HeadTraits {
  const length = (name: string): number | null => header.tensors.find((t) => t.name === name)?.shape[0] ?? null;
  return {
    ...PLAIN_HEAD,
    normBias: lacks(header, "output_norm.bias") === false,
    ropeFreqs: length("rope_freqs.weight"),
    ropeFactors: length("rope_factors_long.weight"),
  };
}
