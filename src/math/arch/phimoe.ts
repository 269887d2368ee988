/**
 * phi 3.5 MoE: phi 3's rope factors, layer norms and projections with biases, experts in each layer, a head with a bias.
 * @source llama.cpp src/models/phimoe.cpp, conversion/phi.py PhiMoeModel@v0.5.0
 */
import type { HeadTraits } from "./decoder.ts";
import { PLAIN_HEAD } from "./decoder.ts";
import type { Fields } from "./fields.ts";
import { longRopeFactors } from "./rope.ts";
import { afterDense, expertsFromConfig } from "./sparse.ts";
import { defineSparse, normBiases } from "./sparse-family.ts";
import { tensor } from "./tensors.ts";

const NORMS = ["attn_norm", "ffn_norm"];

function head(fields: Fields): HeadTraits {
  return { ...PLAIN_HEAD, normBias: true, ropeFactors: longRopeFactors(fields) };
}

export const phimoe = defineSparse({
  id: "phimoe",
  modelTypes: ["phimoe"],
  architecture: "phimoe",
  norms: NORMS,
  traits: { qkvBias: true, outputBias: true },
  configTraits: (fields) => {
    for (const key of ["attention_bias", "lm_head_bias"]) {
      if (fields.optionalBool(key) === false) fields.refuse(`${key} is false: llama.cpp wants the biases`);
    }
    return {};
  },
  configHead: head,
  experts: (fields, decoder) => {
    const block = expertsFromConfig(fields, {
      experts: "num_local_experts",
      expertsUsed: "num_experts_per_tok",
      expertWidth: "intermediate_size",
      sharedExperts: null,
    });
    return afterDense(decoder, () => block);
  },
  metadata: { width: "feed_forward_length", shared: "none" },
  more: ({ embedding }, layer) => normBiases(embedding, layer, NORMS),
  outside: ({ vocabulary }) => [tensor("output.bias", [vocabulary], "output")],
});
