/** Caches of mistral.rs: blocks of a pool with paged attention, else buffers that grow; and the pool of recurrent states. */
import type { LayerSpec, Mixer, ModelSpec, StateMixer } from "../../model.ts";
import type { CacheRow, MistralOptions, StateShape } from "./types.ts";

/** Tokens by which a cache grows. @source mistral.rs v0.9.2 mistralrs-core/src/kv_cache/mod.rs NormalCache::CACHE_GROW_SIZE */
export const GROW_TOKENS = 512;
/** @source mistral.rs v0.9.2 mistralrs-core/src/paged_attention/mod.rs DEFAULT_PAGED_ATTENTION_BLOCK_SIZE */
export const BLOCK_TOKENS = 32;
/** The first block is nobody's. @source mistral.rs v0.9.2 paged_attention/block_pool.rs null_block_id */
export const NULL_BLOCKS = 1;
/** @source mistral.rs v0.9.2 kv_cache/hybrid_cache.rs INITIAL_POOL_CAPACITY */
const FIRST_STATES = 9;

/**
 * Elements per token of each layer. Latent attention: with paged attention on CUDA the compressed row; else keys and
 * values of every head, decompressed (and in a GGUF with split k_b and v_b the latent row once for each head).
 * @source mistral.rs v0.9.2 mistralrs-core/src/models/deepseek2.rs Attention::forward, paged_attention/config.rs KvCacheLayout
 */
export function cacheRow(layer: LayerSpec, paged: boolean, cuda: boolean): CacheRow {
  let key = 0;
  let value = 0;
  let window: number | null = null;
  for (const mixer of layer.mixers) {
    if (mixer.kind === "state") continue;
    const row = rowOf(layer, mixer, paged && cuda);
    key += row.key;
    value += row.value;
    if (mixer.kind === "sliding" && !paged) window = mixer.window;
  }
  return { key, value, window, shared: layer.kvSharedWith !== null };
}

function rowOf(layer: LayerSpec, mixer: Exclude<Mixer, StateMixer>, latent: boolean): { key: number; value: number } {
  if (mixer.kind !== "latent") {
    return mixer.cached
      ? { key: mixer.kvHeads * mixer.headDimK, value: mixer.kvHeads * mixer.headDimV }
      : { key: 0, value: 0 };
  }
  const { heads, kvLoraRank, ropeDim, nopeDim, valueDim } = mixer;
  if (latent) return { key: kvLoraRank, value: ropeDim };
  if (layer.tensors.some(({ name, type }) => type !== null && name.endsWith("attn_k_b.weight")))
    return { key: heads * (kvLoraRank + ropeDim), value: heads * kvLoraRank };
  return { key: heads * (nopeDim + ropeDim), value: heads * valueDim };
}

/**
 * Tokens that one sequence's cache has room for after `context` tokens: 512, 1024 …; with a window at most 512 more than
 * it, and no less than it.
 *   min(512 · ⌈context / 512⌉, W + 512), or min(512, W) while that holds the context
 * A windowed buffer keeps its size for the sequences after.
 * @source mistral.rs v0.9.2 kv_cache/{single_cache,rotating_cache}.rs append, kv_cache/mod.rs set_none_cache; equal to a run of it (tests/math/runtime/mistral-rs)
 */
export function grownTokens(context: number, window: number | null): number {
  const grown = GROW_TOKENS * Math.ceil(context / GROW_TOKENS);
  if (window === null) return grown;
  const first = Math.min(GROW_TOKENS, window);
  return context <= first ? first : Math.min(grown, window + GROW_TOKENS);
}

/** Blocks of a pool for `sequences` of `context` tokens each. */
export function poolBlocks(context: number, sequences: number): number {
  return sequences * Math.ceil(context / BLOCK_TOKENS) + NULL_BLOCKS;
}

/** States that the pool has room for: 9, doubled until they are enough; CUDA graphs take one. */
export function poolStates(sequences: number, cuda: boolean): number {
  const wanted = sequences + (cuda ? 1 : 0);
  let states = FIRST_STATES;
  while (states < wanted) states *= 2;
  return states;
}

/**
 * Elements of one layer's state: kernel x channels of the convolution (one more than is needed), and the state itself,
 * in 32 bits for gated delta nets. Mamba 2 (granite) keeps a second cache of one sequence.
 * @source mistral.rs v0.9.2 kv_cache/hybrid_cache.rs RecurrentStatePool::new, models/{qwen3_next,lfm2,granite}.rs
 */
export function stateShape(layer: LayerSpec, typeBytes: number): StateShape | null {
  const mixer = layer.mixers.find((candidate) => candidate.kind === "state");
  if (mixer === undefined || mixer.kind !== "state") return null;
  const { convKernel, convElements, stateElements, algorithm } = mixer;
  const channels = convKernel > 1 ? convElements / (convKernel - 1) : convElements;
  return {
    convElements: channels * convKernel,
    stateElements: algorithm === "short-conv" ? 1 : stateElements,
    stateBytes: algorithm === "gated-delta" ? 4 : typeBytes,
    extra: algorithm === "mamba2" ? 1 : 0,
  };
}

/** Bytes of one layer's states: (states + extra) · (convolution · type + state · its type). */
export function layerStateBytes(shape: StateShape, states: number, typeBytes: number): number {
  return (states + shape.extra) * (shape.convElements * typeBytes + shape.stateElements * shape.stateBytes);
}

/**
 * Elements by which mistral.rs divides its cache budget: 2 x heads x the wider of K and V in each layer with a cache
 * (latent: the compressed row), whatever a layer really takes.
 * @source mistral.rs v0.9.2 paged_attention/config.rs kv_cache_elements_per_token
 */
export function budgetElements(model: ModelSpec, cuda: boolean): number {
  let elements = 0;
  for (const layer of model.layers) {
    for (const mixer of layer.mixers) {
      if (mixer.kind === "state") continue;
      if (mixer.kind !== "latent") {
        if (mixer.cached) elements += 2 * mixer.kvHeads * Math.max(mixer.headDimK, mixer.headDimV);
      } else if (cuda) elements += mixer.kvLoraRank + mixer.ropeDim;
      else elements += 2 * mixer.heads * Math.max(mixer.nopeDim + mixer.ropeDim, mixer.valueDim);
    }
  }
  return elements;
}

/** Blocks that a budget in whole MiB makes, by mistral.rs's own integer steps. */
export function blocksOf(mib: number, kvBytes: number, elements: number): number {
  if (elements === 0) return 0;
  return Math.floor(Math.floor(Math.floor((mib * 2 ** 20) / kvBytes) / BLOCK_TOKENS) / elements);
}

/** The fewest whole MiB that make so many blocks. */
export function mibFor(blocks: number, kvBytes: number, elements: number): number {
  let mib = Math.ceil((blocks * elements * BLOCK_TOKENS * kvBytes) / 2 ** 20);
  while (elements > 0 && blocksOf(mib, kvBytes, elements) < blocks) mib++;
  return mib;
}

/** Bytes that one layer keeps of a load. */
export function layerCacheBytes(
  row: CacheRow,
  options: MistralOptions,
  blocks: number,
  context: number,
  sequences: number,
): number {
  const each = (row.key + row.value) * options.kvBytes;
  if (options.paged) return each * blocks * BLOCK_TOKENS;
  return row.shared ? 0 : each * sequences * grownTokens(context, row.window);
}
