/**
 * gpt-neox, pythia, redpajama, dolly: layer norms and biases everywhere, fused QKV, partly turned heads; attention and
 * feed-forward side by side or one after the other.
 * @source llama.cpp src/models/gptneox.cpp, conversion/gptneox.py@v0.5.0
 */
import type { FeedForward } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import { defineDense } from "./dense-family.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { everyLayer } from "./standard.ts";

function blocks(fields: Fields, decoder: Decoder, from: "config" | "gguf"): readonly FeedForward[] {
  const width = fields.int(from === "config" ? "intermediate_size" : "feed_forward_length", LIMITS.width);
  const dense = { kind: "dense", width, gated: false, fusedGateUp: false } as const;
  const beside = fields.optionalBool("use_parallel_residual") ?? true;
  return everyLayer(decoder, beside ? { ...dense, besideAttention: true } : dense);
}

export const gptNeox = defineDense({
  id: "gpt-neox",
  modelTypes: ["gpt_neox"],
  architecture: "gptneox",
  tied: "never",
  norms: ["attn_norm", "ffn_norm"],
  normBias: true,
  ungated: true,
  traits: { fusedQkv: true, qkvBias: true, outputBias: true, denseBias: true },
  configTraits: (fields) => {
    if (fields.optionalBool("attention_bias") === false)
      fields.refuse("attention_bias is false: llama.cpp's gptneox wants biases");
    return {};
  },
  blocks,
});
