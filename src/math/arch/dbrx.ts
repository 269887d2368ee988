/**
 * dbrx: layer norms, fused and clamped Q, K and V, experts in each layer.
 * @source llama.cpp src/models/dbrx.cpp, conversion/dbrx.py@v0.5.0
 */
import { type Fields, LIMITS } from "./fields.ts";
import { afterDense, expertsFromConfig } from "./sparse.ts";
import { defineSparse } from "./sparse-family.ts";

/** Its names for what others call otherwise, some of them in two inner objects. */
function otherNames(fields: Fields): Readonly<Record<string, unknown>> {
  const attention = fields.optionalObject("attn_config") ?? {};
  const experts = fields.optionalObject("ffn_config") ?? {};
  return {
    num_hidden_layers: fields.int("n_layers", LIMITS.layers),
    hidden_size: fields.int("d_model", LIMITS.width),
    num_attention_heads: fields.int("n_heads", LIMITS.heads),
    max_position_embeddings: fields.optionalInt("max_seq_len", LIMITS.context),
    num_key_value_heads: attention.kv_n_heads,
    ffn_hidden_size: experts.ffn_hidden_size,
    moe_num_experts: experts.moe_num_experts,
    moe_top_k: experts.moe_top_k,
  };
}

export const dbrx = defineSparse({
  id: "dbrx",
  modelTypes: ["dbrx"],
  architecture: "dbrx",
  defaults: otherNames,
  norms: ["attn_norm", "attn_output_norm"],
  traits: { fusedQkv: true },
  experts: (fields, decoder) => {
    const block = expertsFromConfig(fields, {
      experts: "moe_num_experts",
      expertsUsed: "moe_top_k",
      expertWidth: "ffn_hidden_size",
      sharedExperts: null,
    });
    return afterDense(decoder, () => block);
  },
  metadata: { width: "feed_forward_length", shared: "none" },
});
