/**
 * minimax text 01 and m1: seven layers of lightning attention, whose state is one matrix a head, to one of softmax attention;
 * experts in each layer.
 * @source llama.cpp src/models/minimax-01.cpp, src/llama-hparams.cpp n_embd_s, conversion/minimax.py MiniMaxText01Model@v0.5.0
 */
import type { LayerSpec, StateMixer } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
import { afterDense, expertsFromConfig, expertsFromGguf } from "./sparse.ts";
import {
  feedForwardTensors,
  headFromGguf,
  PLAIN_LAYER,
  type StandardDecoder,
  standardLayer,
  traitsFromGguf,
} from "./standard.ts";
import { blockTensor, norms } from "./tensors.ts";

const UNTIED = { tiedByDefault: false };
const NORMS = ["attn_norm", "ffn_norm"];
/** llama.cpp's own, where the metadata say neither which layers nor how often. */
const INTERVAL = 8;

interface MiniMax01 extends StandardDecoder {
  readonly lightning: (layer: number) => boolean;
}

function everyNth(interval: number): (layer: number) => boolean {
  return (layer) => (layer + 1) % interval !== 0;
}

/** 0 is lightning, 1 softmax. The converter writes no list: llama.cpp takes every eighth layer for softmax. */
function lightningFromConfig(fields: Fields, decoder: Decoder): (layer: number) => boolean {
  const types = fields.optionalPerLayer("attn_type_list", decoder.layerCount, { min: 0, max: 1 });
  const lightning = everyNth(INTERVAL);
  if (types?.some((type, layer) => (type === 0) !== lightning(layer)) === true) {
    fields.refuse("attn_type_list is not one softmax layer after seven others: llama.cpp takes that for granted");
  }
  return lightning;
}

function readConfig(fields: Fields): MiniMax01 {
  const decoder = decoderFromConfig(fields, "minimax-01", "minimax-01", UNTIED);
  const block = expertsFromConfig(fields, {
    experts: "num_local_experts",
    expertsUsed: "num_experts_per_tok",
    expertWidth: "intermediate_size",
    sharedExperts: null,
  });
  if ((fields.optionalInt("shared_intermediate_size", { min: 0, max: LIMITS.width.max }) ?? 0) > 0) {
    fields.refuse("shared_intermediate_size is set: llama.cpp has no shared expert here");
  }
  return {
    ...decoder,
    heads: headsFromConfig(fields, decoder),
    feedForward: afterDense(decoder, () => block),
    traits: PLAIN_LAYER,
    head: PLAIN_HEAD,
    lightning: lightningFromConfig(fields, decoder),
  };
}

function readGguf(fields: Fields, header: GgufHeader): MiniMax01 {
  const decoder = decoderFromGguf(fields, header, "minimax-01", UNTIED);
  const block = expertsFromGguf(fields, { width: "feed_forward_length", shared: "none" });
  const list = fields.optionalList("attention.recurrent_layers");
  const interval = fields.optionalInt("full_attention_interval", LIMITS.layers) ?? INTERVAL;
  return {
    ...decoder,
    heads: headsFromGguf(fields, decoder),
    feedForward: afterDense(decoder, () => block),
    traits: { ...traitsFromGguf(header, PLAIN_LAYER), fusedQkv: false },
    head: headFromGguf(header),
    lightning: list === null ? everyNth(interval) : (layer) => Boolean(list[layer]),
  };
}

/** Kept for each sequence: one matrix of a head's length squared for each head, and no convolution. */
function lightningMixer({ heads }: MiniMax01, layer: number): StateMixer {
  const count = heads.heads[layer] ?? 1;
  const dim = heads.headDimK;
  return {
    kind: "state",
    algorithm: "lightning",
    convElements: 0,
    stateElements: count * dim * dim,
    innerSize: count * dim,
    stateSize: dim,
    heads: count,
    groups: count,
    convKernel: 1,
    stepNormed: false,
  };
}

function layer(geometry: MiniMax01, index: number): LayerSpec {
  if (!geometry.lightning(index)) return standardLayer(geometry, { norms: NORMS }, index);
  const { embedding, traits } = geometry;
  const mixer = lightningMixer(geometry, index);
  const feedForward = geometry.feedForward[index] ?? { kind: "none" };
  const matrix = (name: string, shape: readonly number[]) => blockTensor(index, `${name}.weight`, shape, "attention");
  return plainLayer(index, [mixer], feedForward, [
    ...norms(index, embedding, NORMS),
    blockTensor(index, "attn_norm_2.weight", [mixer.innerSize], "norm"),
    matrix("attn_qkv", [embedding, 3 * mixer.innerSize]),
    matrix("attn_gate", [embedding, mixer.innerSize]),
    matrix("attn_output", [mixer.innerSize, embedding]),
    ...feedForwardTensors(index, embedding, feedForward, traits),
  ]);
}

export const minimax01 = defineFamily<MiniMax01>({
  id: "minimax-01",
  modelTypes: ["minimax", "minimax_m1", "minimax_text_01"],
  ggufArchitectures: ["minimax-01"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry, geometry.head),
  }),
});
