/** ExLlamaV3's caches: pages of 256 tokens in every layer, rings of windowed layers, states of recurrent ones. */
import type { LayerSpec, Mixer, StateMixer } from "../../model.ts";
import type { CacheBits } from "./types.ts";

/** @source exllamav3 v1.4.1 exllamav3/constants.py PAGE_SIZE */
export const PAGE_TOKENS = 256;
/** Values that share a scale of 16 bits. @source exllamav3 v1.4.1 cache/quant.py qshape_s */
const GROUP = 32;
/** Tokens that a ring has beside its window. @source exllamav3 v1.4.1 modules/sliding_attn.py sliding_window_overp */
const RING_MORE = 2 * PAGE_TOKENS;

/** Tokens of a cache for so many sequences: whole pages for each. @source exllamav3 v1.4.1 cache/cache.py max_num_tokens */
export function cacheTokens(context: number, sequences: number): number {
  return sequences * PAGE_TOKENS * Math.ceil(context / PAGE_TOKENS);
}

/** ⌈(W + 512) / 256⌉ · 256. @source exllamav3 v1.4.1 modules/sliding_attn.py kv_state_size */
export function ringTokens(window: number): number {
  return PAGE_TOKENS * Math.ceil((window + RING_MORE) / PAGE_TOKENS);
}

/**
 * Bytes of `elements` values: 2 each, or of bits · elements / 8 and 2 for each 32 of them.
 * @source exllamav3 v1.4.1 cache/{fp16,quant}.py storage_size
 */
function packed(elements: number, bits: number | null): number {
  return bits === null ? 2 * elements : Math.floor(elements / GROUP) * (bits * 4 + 2);
}

/** Tokens of a layer's ring; null: it has none, and lies in pages. */
export function ringOf(layer: LayerSpec, rings: boolean): number | null {
  if (!rings) return null;
  for (const mixer of layer.mixers)
    if (mixer.kind === "sliding" && mixer.window !== null) return ringTokens(mixer.window);
  return null;
}

/** Bytes of a token in one layer's pages, or in its ring: in 16 bits there, whatever the cache's type. */
export function tokenBytes(layer: LayerSpec, bits: CacheBits, rings: boolean): number {
  const inPages = ringOf(layer, rings) === null;
  let bytes = 0;
  for (const mixer of layer.mixers) if (mixer.kind !== "state") bytes += mixerBytes(mixer, inPages ? bits : null);
  return bytes;
}

/** Latent rows: the compressed part is packed with the keys' bits, the rotated part never. @source exllamav3 v1.4.1 cache/mla.py */
function mixerBytes(mixer: Exclude<Mixer, StateMixer>, bits: CacheBits): number {
  if (mixer.kind === "latent") return packed(mixer.kvLoraRank, bits?.k ?? null) + 2 * mixer.ropeDim;
  if (!mixer.cached) return 0;
  const row = mixer.kvHeads * mixer.headDimK;
  return packed(row, bits?.k ?? null) + packed(row, bits?.v ?? null);
}

/**
 * Bytes of one sequence's state in one layer: as many columns of the convolution as its kernel has, in 16 bits, and the
 * state in 32.
 * @source exllamav3 v1.4.1 modules/gated_delta_net.py GDNLayerState (mamba 2's, too), modules/short_conv.py ShortConvLayerState
 */
export function stateBytes(layer: LayerSpec): number {
  let bytes = 0;
  for (const mixer of layer.mixers) {
    if (mixer.kind !== "state") continue;
    const { convKernel, convElements, stateElements, algorithm } = mixer;
    const channels = convKernel > 1 ? convElements / (convKernel - 1) : convElements;
    bytes += 2 * channels * convKernel + (algorithm === "short-conv" ? 0 : 4 * stateElements);
  }
  return bytes;
}
