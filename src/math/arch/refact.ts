/**
 * refact: llama's block with one head of keys and values for all, and a slope over distances (ALiBi) instead of positions.
 * @source llama.cpp src/models/refact.cpp, conversion/refact.py@v0.5.0
 */
import { defineDense } from "./dense-family.ts";
import { GPT2_NAMES } from "./gpt2.ts";

const unturned = () => () => ({ rotary: false });
const MULTIPLE = 256;

export const refact = defineDense({
  id: "refact",
  modelTypes: ["gpt_refact"],
  architecture: "refact",
  tied: false,
  defaults: { num_key_value_heads: 1 },
  aliases: GPT2_NAMES,
  norms: ["attn_norm", "ffn_norm"],
  width: (_, { embedding }) => MULTIPLE * Math.ceil(Math.floor((2 * 4 * embedding) / 3) / MULTIPLE),
  configMixer: unturned,
  ggufMixer: unturned,
});
