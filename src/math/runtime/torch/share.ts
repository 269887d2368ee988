/** How tensor-parallel ranks share one tensor: the part of it that each rank holds. */
import type { LayerSpec, Mixer, TensorSpec } from "../../model.ts";

/** Rows of the embedding and the head are filled up to a whole number of these. */
export const VOCABULARY_PADDING = 64;

/** The same on every rank: what works on the whole width, is too small to cut, or is added once. */
const REPLICATED =
  /(?:norm|attn_q_a|attn_kv_a|indexer|ffn_gate_inp|exp_probs_b|attn_output\.bias|ffn_down\.bias|ffn_down_exps\.bias|position_embd|token_types)/;
const KEYS_AND_VALUES = /\.attn_[kv]\.(?:weight|bias)$/;
const FUSED = /\.attn_qkv\.(?:weight|bias)$/;

/**
 * Part of a tensor on each of `ranks` ranks, more than 1 where rows are filled up. Columns of Q, K, V, gate, up and rows
 * of the output and down matrices are cut; keys and values are copied once there are fewer heads than ranks; norms,
 * routers and MLA's compressing matrices stand on every rank.
 * @source vLLM v0.33.0 vllm/model_executor/layers/{linear,vocab_parallel_embedding}.py, SGLang v0.5.23 the same files
 */
export function shareOf(tensor: TensorSpec, layer: LayerSpec | null, ranks: number): number {
  if (tensor.name === "token_embd.weight" || tensor.name === "output.weight") {
    const rows = tensor.shape[1] ?? 1;
    return (Math.ceil(rows / VOCABULARY_PADDING) * VOCABULARY_PADDING) / rows / ranks;
  }
  if (ranks === 1 || layer === null || REPLICATED.test(tensor.name)) return 1;
  if (tensor.role === "norm" || tensor.role === "router" || tensor.role === "other") return 1;
  const attention = layer.mixers.find(isAttention);
  if (attention !== undefined) {
    const copied = keptHeads(attention.kvHeads, ranks) / attention.kvHeads;
    if (KEYS_AND_VALUES.test(tensor.name)) return copied;
    if (FUSED.test(tensor.name)) {
      const queries = attention.heads * attention.headDimK * (attention.gated ? 2 : 1);
      const rest = attention.kvHeads * (attention.headDimK + attention.headDimV);
      return (queries / ranks + rest * copied) / (queries + rest);
    }
  }
  return 1 / ranks;
}

/** Heads of keys and values on each rank: at least one. */
export function keptHeads(kvHeads: number, ranks: number): number {
  return Math.max(1, Math.floor(kvHeads / ranks));
}

export function isAttention(mixer: Mixer): mixer is Extract<Mixer, { readonly kvHeads: number }> {
  return mixer.kind === "full" || mixer.kind === "sliding" || mixer.kind === "chunked";
}

/** Why the heads cannot be shared out among so many ranks, in a sentence; null: they can. */
export function refuseRanks(layers: readonly LayerSpec[], ranks: number): string | null {
  for (const { index, mixers } of layers) {
    for (const mixer of mixers) {
      const heads = mixer.kind === "state" ? mixer.heads : mixer.heads;
      if (heads % ranks !== 0) return `the ${heads} heads of layer ${index} do not divide by ${ranks}`;
      if (!isAttention(mixer)) continue;
      const { kvHeads } = mixer;
      if (kvHeads % ranks !== 0 && ranks % kvHeads !== 0)
        return `the ${kvHeads} key and value heads of layer ${index} do not divide by ${ranks}`;
    }
  }
  return null;
}
