/**
 * chatglm 2 and 3, glm-4-9b (also as transformers' "glm"): fused QKV with biases, fused gate-up, half of each head turned.
 * @source llama.cpp src/models/chatglm.cpp, conversion/chatglm.py@v0.5.0
 */
import type { Decoder } from "./decoder.ts";
import { defineDense } from "./dense-family.ts";
import { type Fields, LIMITS } from "./fields.ts";
import type { Heads } from "./heads.ts";
import { headsFromConfig } from "./heads.ts";

function configHeads(fields: Fields, decoder: Decoder): Heads {
  // The old class has a switch for grouped keys and values, the new one numbers alone.
  const grouped = fields.is("model_type", "glm") || fields.optionalBool("multi_query_attention") !== false;
  const groups = fields.optionalInt("multi_query_group_num", LIMITS.heads);
  if (groups !== null) fields.assume({ num_key_value_heads: groups });
  if (!grouped && groups !== null) fields.refuse("multi_query_attention is false beside a multi_query_group_num");
  const heads = headsFromConfig(fields, decoder);
  const queries = (heads.heads[0] ?? 1) * heads.headDimK;
  if (queries !== decoder.embedding) {
    fields.refuse(
      `heads of ${heads.headDimK} elements make ${queries}: llama.cpp wants hidden_size (${decoder.embedding})`,
    );
  }
  return heads;
}

export const chatglm = defineDense({
  id: "chatglm",
  modelTypes: ["chatglm", "glm"],
  architecture: "chatglm",
  aliases: {
    num_hidden_layers: ["num_layers"],
    vocab_size: ["padded_vocab_size"],
    intermediate_size: ["ffn_hidden_size"],
    head_dim: ["kv_channels"],
    max_position_embeddings: ["seq_length"],
  },
  norms: ["attn_norm", "ffn_norm"],
  fusedGateUp: true,
  traits: { fusedQkv: true, qkvBias: true },
  configTraits: (fields) => {
    if (fields.optionalBool("add_bias_linear") === true)
      fields.refuse("add_bias_linear is true, which llama.cpp's chatglm has not");
    if (!fields.is("model_type", "glm")) return { qkvBias: fields.optionalBool("add_qkv_bias") ?? false };
    return { fusedQkv: false, qkvBias: fields.optionalBool("attention_bias") ?? true };
  },
  configHeads,
});
