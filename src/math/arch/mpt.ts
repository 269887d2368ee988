/**
 * mpt: layer norms without biases, fused QKV, a slope over distances in the softmax (ALiBi) instead of positions.
 * @source llama.cpp src/models/mpt.cpp, conversion/mpt.py MPTModel@v0.5.0
 */
import type { Decoder } from "./decoder.ts";
import { defineDense, fourfold } from "./dense-family.ts";
import { type Fields, isRecord } from "./fields.ts";
import { type Heads, headsFromConfig } from "./heads.ts";

const unturned = () => () => ({ rotary: false });

function configHeads(fields: Fields, decoder: Decoder): Heads {
  const attention = fields.optionalObject("attn_config") ?? {};
  if (attention.qk_ln === true) fields.refuse("attn_config.qk_ln is true, which this family is not known with");
  if (attention.alibi === false)
    fields.refuse("attn_config.alibi is false: a table of learned positions is not known here");
  if (fields.optionalBool("no_bias") === false) fields.refuse("no_bias is false, which this family is not known with");
  if (isRecord(attention) && attention.kv_n_heads !== undefined)
    fields.assume({ num_key_value_heads: attention.kv_n_heads });
  return headsFromConfig(fields, decoder);
}

export const mpt = defineDense({
  id: "mpt",
  modelTypes: ["mpt"],
  architecture: "mpt",
  tied: true,
  aliases: {
    hidden_size: ["d_model"],
    num_hidden_layers: ["n_layers"],
    num_attention_heads: ["n_heads"],
    max_position_embeddings: ["max_seq_len"],
  },
  norms: ["attn_norm", "ffn_norm"],
  ungated: true,
  traits: { fusedQkv: true },
  width: fourfold,
  configHeads,
  configMixer: unturned,
  ggufMixer: unturned,
});
