/** Multi-token-prediction blocks ("nextn"): a layer, and the tensors that join it on. */
import type { TensorSpec } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import { blockTensor } from "./tensors.ts";

/**
 * What joins the hidden state with the next token's embedding, and optionally an embedding and a head of its own.
 * @source llama.cpp src/models/qwen35moe.cpp load_block_mtp@v0.5.0
 */
export function nextnTensors(layer: number, decoder: Decoder): readonly TensorSpec[] {
  const { embedding, vocabulary, nextn } = decoder;
  const list = [
    blockTensor(layer, "nextn.eh_proj.weight", [2 * embedding, embedding], "other"),
    blockTensor(layer, "nextn.enorm.weight", [embedding], "norm"),
    blockTensor(layer, "nextn.hnorm.weight", [embedding], "norm"),
  ];
  if (nextn.embedTokens) list.push(blockTensor(layer, "nextn.embed_tokens.weight", [embedding, vocabulary], "other"));
  if (nextn.headHead) list.push(blockTensor(layer, "nextn.shared_head_head.weight", [embedding, vocabulary], "other"));
  if (nextn.headNorm) list.push(blockTensor(layer, "nextn.shared_head_norm.weight", [embedding], "norm"));
  return list;
}
