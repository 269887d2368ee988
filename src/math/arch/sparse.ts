/** Layers of experts, most often after some dense ones, as llama.cpp's metadata and published configs describe them. */
import type { FeedForward, MoeFeedForward } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import { moe } from "./experts.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { denseFromGguf, gatedDense } from "./standard.ts";

/** How an architecture's metadata say what its experts are. */
export interface ExpertKeys {
  /** The key of a routed expert's width. */
  readonly width: "expert_feed_forward_length" | "feed_forward_length";
  /** Shared experts: none, so many of the routed ones' width, or together as wide as a key of their own says. */
  readonly shared: "none" | "counted" | "width";
}

/** @source llama.cpp src/llama-model.cpp load_hparams, src/models/*.cpp load_arch_hparams@v0.5.0 */
export function expertsFromGguf(fields: Fields, { width, shared }: ExpertKeys): MoeFeedForward {
  const expertWidth = fields.int(width, LIMITS.width);
  const counted = (): number => expertWidth * (fields.optionalInt("expert_shared_count", orNone(LIMITS.experts)) ?? 0);
  const own = (): number => fields.optionalInt("expert_shared_feed_forward_length", orNone(LIMITS.width)) ?? 0;
  return moe(fields, {
    experts: fields.int("expert_count", LIMITS.experts),
    expertsUsed: fields.int("expert_used_count", LIMITS.experts),
    expertWidth,
    sharedWidth: shared === "none" ? 0 : shared === "counted" ? counted() : own(),
    sharedGated: false,
  });
}

/** The first `leading_dense_block_count` layers are dense. */
export function sparseFromGguf(fields: Fields, decoder: Decoder, keys: ExpertKeys): readonly FeedForward[] {
  const block = expertsFromGguf(fields, keys);
  const leading = fields.optionalInt("leading_dense_block_count", orNone(LIMITS.layers)) ?? 0;
  const dense = leading === 0 ? [] : denseFromGguf(fields, decoder);
  return afterDense(decoder, (layer) => (layer < leading ? (dense[layer] ?? gatedDense(1)) : block));
}

/** By layer, multi-token-prediction blocks last. */
export function afterDense(decoder: Decoder, blockOf: (layer: number) => FeedForward): readonly FeedForward[] {
  return Array.from({ length: decoder.layerCount + decoder.mtpCount }, (_, layer) => blockOf(layer));
}

/** Names of the fields in config.json; `sharedExperts` null: the family has none. */
export interface ExpertFields {
  readonly experts: string;
  readonly expertsUsed: string;
  readonly expertWidth: string;
  /** How many shared experts of the routed ones' width there are. */
  readonly sharedExperts: string | null;
}

export function expertsFromConfig(fields: Fields, names: ExpertFields): MoeFeedForward {
  const expertWidth = fields.int(names.expertWidth, LIMITS.width);
  const shared =
    names.sharedExperts === null ? 0 : (fields.optionalInt(names.sharedExperts, orNone(LIMITS.experts)) ?? 0);
  return moe(fields, {
    experts: fields.int(names.experts, LIMITS.experts),
    expertsUsed: fields.int(names.expertsUsed, LIMITS.experts),
    expertWidth,
    sharedWidth: shared * expertWidth,
    sharedGated: false,
  });
}

/** DeepSeek's spelling, which dots and GLM share: the first `first_k_dense_replace` layers are dense. */
export function deepseekExperts(fields: Fields, decoder: Decoder): readonly FeedForward[] {
  const block = expertsFromConfig(fields, {
    experts: "n_routed_experts",
    expertsUsed: "num_experts_per_tok",
    expertWidth: "moe_intermediate_size",
    sharedExperts: "n_shared_experts",
  });
  if ((fields.optionalInt("moe_layer_freq", LIMITS.layers) ?? 1) !== 1) {
    fields.refuse("moe_layer_freq is not 1: llama.cpp wants experts in each layer after the dense ones");
  }
  return leadingDense(fields, decoder, block);
}

/** The first `first_k_dense_replace` layers are dense, of `intermediate_size`. */
export function leadingDense(fields: Fields, decoder: Decoder, block: MoeFeedForward): readonly FeedForward[] {
  const leading = fields.int("first_k_dense_replace", orNone(LIMITS.layers));
  const dense = leading === 0 ? block : gatedDense(fields.int("intermediate_size", LIMITS.width));
  return afterDense(decoder, (layer) => (layer < leading ? dense : block));
}
