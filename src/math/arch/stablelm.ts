/**
 * stablelm 2 and 3b: layer norms with biases, partly turned heads. The 12b has no second norm: its feed-forward block reads
 * what attention read, and a norm for each head.
 * @source llama.cpp src/models/stablelm.cpp, conversion/stablelm.py@v0.5.0
 */
import { defineDense } from "./dense-family.ts";
import type { Fields } from "./fields.ts";
import { eachHeadNorms } from "./head-norms.ts";
import { blockTensor } from "./tensors.ts";

const SECOND_NORM = "ffn_norm.weight";
const HEAD_NORMS = "attn_q_norm.weight";

export const stablelm = defineDense({
  id: "stablelm",
  modelTypes: ["stablelm", "stablelm_epoch"],
  architecture: "stablelm",
  tied: "never",
  norms: ["attn_norm"],
  normBias: true,
  configTraits: (fields) => ({ qkvBias: fields.optionalBool("use_qkv_bias") ?? false }),
  optional: {
    names: [SECOND_NORM, HEAD_NORMS],
    config: (fields) => [
      ...(fields.optionalBool("use_parallel_residual") === true ? [] : [SECOND_NORM]),
      ...(fields.optionalBool("qk_layernorm") === true ? [HEAD_NORMS] : []),
    ],
    unlisted: (fields: Fields) =>
      fields.optionalBool("use_parallel_residual") === true ? [HEAD_NORMS] : [SECOND_NORM],
  },
  more: (geometry, layer) => [
    ...["ffn_norm.weight", "ffn_norm.bias"]
      .filter(() => geometry.optional.has(SECOND_NORM))
      .map((name) => blockTensor(layer.index, name, [geometry.embedding], "norm")),
    ...(geometry.optional.has(HEAD_NORMS) ? eachHeadNorms(geometry, layer) : []),
  ],
});
