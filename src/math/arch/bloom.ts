/**
 * bloom: layer norms and biases everywhere, also a norm of the embedding, and a slope over distances in the softmax (ALiBi)
 * instead of positions.
 * @source llama.cpp src/models/bloom.cpp, conversion/bloom.py BloomModel@v0.5.0
 */
import { defineDense, fourfold } from "./dense-family.ts";
import { tensor } from "./tensors.ts";

const unturned = () => () => ({ rotary: false });

export const bloom = defineDense({
  id: "bloom",
  modelTypes: ["bloom"],
  architecture: "bloom",
  tied: true,
  aliases: {
    hidden_size: ["n_embed"],
    num_hidden_layers: ["n_layer"],
    num_attention_heads: ["n_head"],
    max_position_embeddings: ["seq_length"],
  },
  norms: ["attn_norm", "ffn_norm"],
  normBias: true,
  ungated: true,
  traits: { fusedQkv: true, qkvBias: true, outputBias: true, denseBias: true },
  width: fourfold,
  configMixer: unturned,
  ggufMixer: unturned,
  outside: ({ embedding }, ordinary) => [
    ...ordinary,
    tensor("token_embd_norm.weight", [embedding], "norm"),
    tensor("token_embd_norm.bias", [embedding], "norm"),
  ],
});
