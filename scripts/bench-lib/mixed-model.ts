/** The large model that benches look at: sliding and full attention in turn, experts in every layer. */
export const LAYERS = 128;

export const MIXED_CONFIG = {
  model_type: "gpt_oss",
  head_dim: 64,
  hidden_size: 2880,
  intermediate_size: 2880,
  num_hidden_layers: LAYERS,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  num_local_experts: 32,
  num_experts_per_tok: 4,
  sliding_window: 128,
  vocab_size: 201_088,
  max_position_embeddings: 131_072,
  layer_types: Array.from({ length: LAYERS }, (_, i) => (i % 2 === 0 ? "sliding_attention" : "full_attention")),
};
