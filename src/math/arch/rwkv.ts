/**
 * What rwkv 6 and 7 share: a state of one matrix for each head, the token before, projections through a small space. With the
 * feed-forward block of a transformer (qwen's, "hybrid" by name) the token before is kept once, else twice.
 * @source llama.cpp src/llama-hparams.cpp n_embd_r, n_embd_s, src/models/rwkv6.cpp, rwkv7.cpp, conversion/rwkv.py@v0.5.0
 */
import type { StateAlgorithm, StateMixer, TensorSpec } from "../model.ts";
import { type Decoder, type HeadTraits, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { blockTensor, tensor } from "./tensors.ts";

/** The converter's own: nothing in the model has a length. */
export const RWKV_CONTEXT = 2 ** 20;

export interface Rwkv extends Decoder {
  readonly headSize: number;
  readonly width: number;
  /** Tokens kept of the past: 2, one for each half of a layer, or 1. */
  readonly shifts: number;
}

/** Kept per sequence: the tokens before and head size x width elements of state. */
export function rwkvMixer(algorithm: StateAlgorithm, { embedding, headSize, shifts }: Rwkv): StateMixer {
  return {
    kind: "state",
    algorithm,
    convElements: shifts * embedding,
    stateElements: embedding * headSize,
    innerSize: embedding,
    stateSize: headSize,
    heads: embedding / headSize,
    groups: 0,
    convKernel: 0,
    stepNormed: false,
  };
}

export function checkedHead(fields: Fields, embedding: number, headSize: number): number {
  if (fields.problems.length === 0 && embedding % headSize !== 0) {
    fields.refuse(`a width of ${embedding} is not a multiple of the head size (${headSize})`);
  }
  return headSize;
}

export function headSizeFromGguf(fields: Fields, { embedding }: Decoder): number {
  return checkedHead(fields, embedding, fields.int("wkv.head_size", LIMITS.headDim));
}

export function matrix(layer: number, name: string, rows: number, columns: number): TensorSpec {
  return blockTensor(layer, `${name}.weight`, [rows, columns], "state");
}

export function vector(layer: number, name: string, length: number): TensorSpec {
  return blockTensor(layer, `${name}.weight`, [length], "state");
}

/** A layer norm: weight and bias. */
export function layerNorm(layer: number, name: string, width: number): readonly TensorSpec[] {
  return [blockTensor(layer, `${name}.weight`, [width], "norm"), blockTensor(layer, `${name}.bias`, [width], "norm")];
}

/** The norm of the embeddings goes where the first layer does. */
export function embeddingNorm(layer: number, width: number): readonly TensorSpec[] {
  if (layer > 0) return [];
  return [tensor("token_embd_norm.weight", [width], "norm"), tensor("token_embd_norm.bias", [width], "norm")];
}

export function rwkvOutside(decoder: Decoder, normBias: boolean): readonly TensorSpec[] {
  const traits: HeadTraits = { ...PLAIN_HEAD, normBias };
  return outsideTensors({ ...decoder, tied: false }, traits);
}
