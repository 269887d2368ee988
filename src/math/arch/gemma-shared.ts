/** What gemma 3n and the smaller gemma 4 have in common: caches read by later layers, and a second embedding, a part a layer. */
import type { TensorSpec } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import type { Fields } from "./fields.ts";
import { blockTensor, tensor } from "./tensors.ts";
import type { Windowed } from "./windows.ts";

/**
 * The layer whose keys and values this one reads: of the last two that have their own, the first for a window, the second
 * for everything. null: its own.
 * @source llama.cpp src/llama-model.cpp create_memory (reuse)@v0.5.0
 */
export function ownerOf(layer: number, firstSharing: number, windowed: Windowed): number | null {
  if (layer < firstSharing) return null;
  return firstSharing - (windowed(layer) ? 2 : 1);
}

export function headPair(fields: Fields, heads: number, kvHeads: number): number {
  if (fields.problems.length === 0 && heads % kvHeads !== 0) {
    fields.refuse(`${heads} heads are not a multiple of ${kvHeads} heads of keys and values`);
  }
  return kvHeads;
}

/** The way in of a layer's part, the way back, and its norm. */
export function perLayerTensors(layer: number, embedding: number, part: number): readonly TensorSpec[] {
  if (part === 0) return [];
  return [
    blockTensor(layer, "inp_gate.weight", [embedding, part], "feed-forward"),
    blockTensor(layer, "proj.weight", [part, embedding], "feed-forward"),
    blockTensor(layer, "post_norm.weight", [embedding], "norm"),
  ];
}

/** All layers' parts for every token of the vocabulary, and what the ordinary embedding adds to them. */
export function perLayerOutside({ embedding, layerCount, vocabulary }: Decoder, part: number): readonly TensorSpec[] {
  if (part === 0) return [];
  return [
    tensor("per_layer_token_embd.weight", [part * layerCount, vocabulary], "embedding"),
    tensor("per_layer_model_proj.weight", [embedding, part * layerCount], "feed-forward"),
    tensor("per_layer_proj_norm.weight", [part], "norm"),
  ];
}
