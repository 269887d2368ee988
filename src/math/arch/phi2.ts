/**
 * phi 1, 1.5 and 2: attention and feed-forward side by side behind one layer norm, biases everywhere, also at the head.
 * The dense block is four times the embedding for llama.cpp's converter, whatever the config says.
 * @source llama.cpp src/models/phi2.cpp, conversion/phi.py Phi2Model@v0.5.0
 */
import type { Decoder } from "./decoder.ts";
import { defineDense, fourfold } from "./dense-family.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { tensor } from "./tensors.ts";

const scaled = () => () => ({ scaledQuery: true });

function width(fields: Fields, decoder: Decoder): number {
  const heads = fields.optionalInt("num_key_value_heads", LIMITS.heads);
  if (heads !== null && heads !== fields.optionalInt("num_attention_heads", LIMITS.heads)) {
    fields.refuse(`num_key_value_heads is ${heads}: llama.cpp gives each head of phi its own keys and values`);
  }
  if (fields.optionalBool("qk_layernorm") === true)
    fields.refuse("qk_layernorm is true: llama.cpp's phi has no such norms");
  const said = fields.optionalInt("intermediate_size", LIMITS.width);
  if (said !== null && said !== 4 * decoder.embedding) {
    fields.refuse(`intermediate_size is ${said}: llama.cpp takes four times hidden_size (${4 * decoder.embedding})`);
  }
  return fourfold(fields, decoder);
}

export const phi2 = defineDense({
  id: "phi2",
  modelTypes: ["phi", "phi-msft"],
  architecture: "phi2",
  tied: "never",
  aliases: {
    hidden_size: ["n_embd"],
    num_hidden_layers: ["n_layer"],
    num_attention_heads: ["n_head"],
    num_key_value_heads: ["n_head_kv"],
    intermediate_size: ["n_inner"],
    max_position_embeddings: ["n_positions"],
  },
  norms: ["attn_norm"],
  normBias: true,
  ungated: true,
  traits: { fusedQkv: true, qkvBias: true, outputBias: true, denseBias: true },
  configTraits: (fields) => ({ fusedQkv: fields.is("model_type", "phi-msft") }),
  width,
  configMixer: scaled,
  ggufMixer: scaled,
  outside: ({ vocabulary }, ordinary) => [...ordinary, tensor("output.bias", [vocabulary], "output")],
});
