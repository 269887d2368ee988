/**
 * falcon 7b, 11b, 40b, 180b: attention and feed-forward side by side; the larger ones have a norm for each of the two.
 * @source llama.cpp src/models/falcon.cpp, conversion/falcon.py FalconModel@v0.5.0
 */
import type { Decoder } from "./decoder.ts";
import { defineDense, fourfold } from "./dense-family.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { type Heads, headsFromConfig } from "./heads.ts";
import { blockTensor } from "./tensors.ts";

const SECOND_NORM = "attn_norm_2.weight";

function configHeads(fields: Fields, decoder: Decoder): Heads {
  if (fields.optionalBool("alibi") === true) fields.refuse("alibi is true: llama.cpp's falcon turns by position");
  if (fields.optionalBool("bias") === true)
    fields.refuse("bias is true: llama.cpp's falcon has no biases on its matrices");
  const grouped = fields.optionalBool("new_decoder_architecture") ?? false;
  if (!grouped && fields.optionalBool("parallel_attn") === false) {
    fields.refuse("parallel_attn is false: llama.cpp's falcon has attention and feed-forward side by side");
  }
  const said = fields.optionalInt("num_kv_heads", LIMITS.heads) ?? fields.optionalInt("n_head_kv", LIMITS.heads);
  fields.assume({ num_key_value_heads: grouped ? (said ?? 1) : 1 });
  return headsFromConfig(fields, decoder);
}

/** Two unless the config says one; the smaller models' class has one. */
function normsFromConfig(fields: Fields): readonly string[] {
  const grouped = fields.optionalBool("new_decoder_architecture") ?? false;
  const norms = fields.optionalInt("num_ln_in_parallel_attn", { min: 1, max: 2 }) ?? 2;
  return grouped && norms === 2 ? [SECOND_NORM] : [];
}

export const falcon = defineDense({
  id: "falcon",
  modelTypes: ["falcon"],
  architecture: "falcon",
  // The published files hold a head of their own, which is the embedding once more, and the converter keeps it.
  tied: false,
  // llama.cpp's converter writes 2048 for every model.
  defaults: { max_position_embeddings: 2048 },
  aliases: { num_hidden_layers: ["n_layer"], num_attention_heads: ["n_head"] },
  norms: ["attn_norm"],
  normBias: true,
  ungated: true,
  traits: { fusedQkv: true },
  width: fourfold,
  configHeads,
  optional: {
    names: [SECOND_NORM],
    config: normsFromConfig,
    unlisted: (fields) => ((fields.optionalInt("attention.head_count_kv", LIMITS.heads) ?? 1) > 1 ? [SECOND_NORM] : []),
  },
  more: ({ embedding, optional }, { index }) =>
    ["attn_norm_2.weight", "attn_norm_2.bias"]
      .filter(() => optional.has(SECOND_NORM))
      .map((name) => blockTensor(index, name, [embedding], "norm")),
});
