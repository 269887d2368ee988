/** Mixture-of-experts blocks, read from either description. */
import type { MoeFeedForward } from "../model.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";

export interface ExpertCounts {
  readonly experts: number;
  readonly expertsUsed: number;
  readonly expertWidth: number;
  readonly sharedWidth: number;
  readonly sharedGated: boolean;
}

export function moe(fields: Fields, counts: ExpertCounts): MoeFeedForward {
  const { experts, expertsUsed } = counts;
  if (expertsUsed > experts) fields.refuse(`${expertsUsed} experts are used of ${experts}: no more than all is wanted`);
  return { kind: "moe", ...counts };
}

/**
 * Qwen's spelling in config.json; every layer has experts, as llama.cpp takes for granted.
 * @param shared with a gated shared expert
 */
export function qwenExpertsFromConfig(fields: Fields, { shared }: { readonly shared: boolean }): MoeFeedForward {
  const step = fields.optionalInt("decoder_sparse_step", { min: 0, max: LIMITS.layers.max }) ?? 1;
  const dense = fields.optionalList("mlp_only_layers") ?? [];
  if (step !== 1 || dense.length > 0) {
    fields.refuse("decoder_sparse_step and mlp_only_layers leave dense layers: llama.cpp wants experts in each layer");
  }
  return moe(fields, {
    experts: fields.int("num_experts", LIMITS.experts),
    expertsUsed: fields.int("num_experts_per_tok", LIMITS.experts),
    expertWidth: fields.int("moe_intermediate_size", LIMITS.width),
    sharedWidth: shared ? fields.int("shared_expert_intermediate_size", LIMITS.width) : 0,
    sharedGated: shared,
  });
}

/**
 * The GGUF of the same: without widths of their own, a routed expert has feed_forward_length / expert_used_count and the
 * shared one feed_forward_length.
 * @source llama.cpp src/models/qwen2moe.cpp, qwen35moe.cpp@v0.5.0
 */
export function qwenExpertsFromGguf(fields: Fields, { shared }: { readonly shared: boolean }): MoeFeedForward {
  const experts = fields.int("expert_count", LIMITS.experts);
  const expertsUsed = fields.int("expert_used_count", LIMITS.experts);
  const own = fields.optionalInt("expert_feed_forward_length", orNone(LIMITS.width)) ?? 0;
  const ownShared = fields.optionalInt("expert_shared_feed_forward_length", orNone(LIMITS.width)) ?? 0;
  const needsDense = own === 0 || (shared && ownShared === 0);
  const dense = needsDense ? fields.int("feed_forward_length", LIMITS.width) : 0;
  return moe(fields, {
    experts,
    expertsUsed,
    expertWidth: own > 0 ? own : Math.max(1, Math.floor(dense / expertsUsed)),
    sharedWidth: shared ? ownShared || dense : 0,
    sharedGated: shared,
  });
}
