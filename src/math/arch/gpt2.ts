/**
 * gpt-2: layer norms and biases everywhere, fused QKV, a table of learned positions beside the embedding.
 * @source llama.cpp src/models/gpt2.cpp, conversion/gpt2.py GPT2Model@v0.5.0
 */
import type { TensorSpec } from "../model.ts";
import { type DenseDecoder, defineDense, fourfold } from "./dense-family.ts";
import { tensor } from "./tensors.ts";

export const GPT2_NAMES = {
  hidden_size: ["n_embd"],
  num_hidden_layers: ["n_layer"],
  num_attention_heads: ["n_head"],
  max_position_embeddings: ["n_ctx", "n_positions"],
} as const;

export const GPT2_TRAITS = { fusedQkv: true, qkvBias: true, outputBias: true, denseBias: true } as const;

/** A row for each position that the model was trained on. */
export function withPositions(
  { embedding, context }: DenseDecoder,
  ordinary: readonly TensorSpec[],
): readonly TensorSpec[] {
  return [...ordinary, tensor("position_embd.weight", [embedding, context ?? 1], "embedding")];
}

const unturned = () => () => ({ rotary: false });

export const gpt2 = defineDense({
  id: "gpt2",
  modelTypes: ["gpt2"],
  architecture: "gpt2",
  tied: true,
  defaults: { max_position_embeddings: 1024 },
  aliases: GPT2_NAMES,
  norms: ["attn_norm", "ffn_norm"],
  normBias: true,
  ungated: true,
  traits: GPT2_TRAITS,
  width: fourfold,
  configMixer: unturned,
  ggufMixer: unturned,
  outside: withPositions,
});
