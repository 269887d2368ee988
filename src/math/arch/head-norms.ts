/** Norms of Q and K that are not one vector of a head's length. */
import type { LayerSpec, TensorSpec } from "../model.ts";
import type { StandardDecoder } from "./standard.ts";
import { blockTensor } from "./tensors.ts";

/** One norm over all heads of Q and one over all of K (olmo 2, olmoe). */
export function wholeHeadNorms({ heads }: StandardDecoder, { index }: LayerSpec): readonly TensorSpec[] {
  const width = (each: readonly number[]): number => (each[index] ?? 1) * heads.headDimK;
  return [
    blockTensor(index, "attn_q_norm.weight", [width(heads.heads)], "norm"),
    blockTensor(index, "attn_k_norm.weight", [width(heads.kvHeads)], "norm"),
  ];
}

/** A vector for each head (command-r+, stablelm 2 12b). */
export function eachHeadNorms({ heads }: StandardDecoder, { index }: LayerSpec): readonly TensorSpec[] {
  return [
    blockTensor(index, "attn_q_norm.weight", [heads.headDimK, heads.heads[index] ?? 1], "norm"),
    blockTensor(index, "attn_k_norm.weight", [heads.headDimK, heads.kvHeads[index] ?? 1], "norm"),
  ];
}
