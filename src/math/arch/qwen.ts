/**
 * qwen 1: fused QKV with biases; its intermediate_size counts gate and up together.
 * @source llama.cpp src/models/qwen.cpp, conversion/qwen.py QwenModel@v0.5.0
 */
import type { FeedForward } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import { defineDense } from "./dense-family.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { everyLayer, gatedDense } from "./standard.ts";

function blocks(fields: Fields, decoder: Decoder, from: "config" | "gguf"): readonly FeedForward[] {
  const both = fields.int(from === "config" ? "intermediate_size" : "feed_forward_length", LIMITS.width);
  return everyLayer(decoder, gatedDense(Math.max(1, Math.floor(both / 2))));
}

export const qwen = defineDense({
  id: "qwen",
  modelTypes: ["qwen"],
  architecture: "qwen",
  tied: "never",
  aliases: { head_dim: ["kv_channels"] },
  norms: ["attn_norm", "ffn_norm"],
  traits: { fusedQkv: true, qkvBias: true },
  blocks,
});
