/**
 * minicpm 1, 2 (with experts) and 4: llama's block, scaled residuals, rope factors where the config has them.
 * @source llama.cpp src/models/minicpm.cpp, conversion/minicpm.py MiniCPMModel@v0.5.0
 */
import type { FeedForward } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import { defineDense } from "./dense-family.ts";
import { moe } from "./experts.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { longRopeFactors } from "./rope.ts";
import { everyLayer } from "./standard.ts";

function blocks(fields: Fields, decoder: Decoder, from: "config" | "gguf"): readonly FeedForward[] | null {
  const keys =
    from === "config"
      ? (["num_experts", "num_experts_per_tok", "intermediate_size"] as const)
      : (["expert_count", "expert_used_count", "feed_forward_length"] as const);
  const experts = fields.optionalInt(keys[0], orNone(LIMITS.experts)) ?? 0;
  if (experts === 0) return null;
  const expertsUsed = fields.int(keys[1], LIMITS.experts);
  const expertWidth = fields.int(keys[2], LIMITS.width);
  return everyLayer(decoder, moe(fields, { experts, expertsUsed, expertWidth, sharedWidth: 0, sharedGated: false }));
}

export const minicpm = defineDense({
  id: "minicpm",
  modelTypes: ["minicpm"],
  architecture: "minicpm",
  tied: true,
  norms: ["attn_norm", "ffn_norm"],
  blocks,
  configHead: (fields) => ({ ropeFactors: longRopeFactors(fields) }),
});
