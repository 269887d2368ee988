/**
 * starcoder 1, santacoder, wizardcoder: gpt-2's block with one head of keys and values for all.
 * @source llama.cpp src/models/starcoder.cpp, conversion/starcoder.py StarCoderModel@v0.5.0
 */
import { defineDense, fourfold } from "./dense-family.ts";
import { GPT2_NAMES, GPT2_TRAITS, withPositions } from "./gpt2.ts";

const unturned = () => () => ({ rotary: false });

export const starcoder = defineDense({
  id: "starcoder",
  modelTypes: ["gpt_bigcode"],
  architecture: "starcoder",
  tied: true,
  aliases: GPT2_NAMES,
  norms: ["attn_norm", "ffn_norm"],
  normBias: true,
  ungated: true,
  traits: GPT2_TRAITS,
  width: (fields, decoder) => {
    if (fields.optionalBool("multi_query") === false) {
      fields.refuse("multi_query is false: llama.cpp's converter takes one head of keys and values for granted");
    }
    return fourfold(fields, decoder);
  },
  defaults: { num_key_value_heads: 1 },
  configMixer: unturned,
  ggufMixer: unturned,
  outside: withPositions,
});
