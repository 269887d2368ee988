/**
 * bitnet b1.58: llama's block with a norm before the output matrix and one before the way down; the head is the embedding.
 * @source llama.cpp src/models/bitnet.cpp, conversion/bitnet.py@v0.5.0
 */
import { defineDense } from "./dense-family.ts";
import { blockTensor } from "./tensors.ts";

export const bitnet = defineDense({
  id: "bitnet",
  modelTypes: ["bitnet"],
  architecture: "bitnet",
  tied: "always",
  norms: ["attn_norm", "ffn_norm"],
  more: ({ embedding }, { index, feedForward }) => [
    blockTensor(index, "attn_sub_norm.weight", [embedding], "norm"),
    blockTensor(index, "ffn_sub_norm.weight", [feedForward.kind === "dense" ? feedForward.width : 1], "norm"),
  ],
});
