/** How far a load's compute buffers may be from what computeBuffers says. */
import type { Device } from "../../../machine.ts";
import type { ModelSpec } from "../../../model.ts";
import type { CacheShape, ComputeBuffers, LlamaCppOptions, Placement } from "../types.ts";
import { type BufferRule, bufferRule } from "./backends.ts";
import { computeBuffers } from "./buffers.ts";
import { earlyLeaves } from "./early-leaves.ts";

export interface ComputeRange {
  readonly low: ComputeBuffers;
  readonly high: ComputeBuffers;
}

/** A guess: rows split over several accelerators were never compared with the engine. */
export const ROW_SPLIT_BAND = 0.1;

/** Sparse attention beside latent attention: the most that llama.cpp was above all of it, 1.4 % of 131072 cells, rounded up. */
const INDEXER_BAND = 0.02;

/**
 * Sparse attention by blocks, whose nodes reach from layer to layer: how far the graph was off on the engine's own rows, of which
 * there are eight with one stream and one with several. Rounded up from those, so no forecast of theirs.
 */
const BLOCK_BANDS = { oneStream: { low: 0.97, high: 1.03 }, streams: { low: 0.6, high: 1.7 } } as const;

/**
 * By regime:
 *   an accelerator without scratch, the host: nothing is open (the engine's own accounting: 838 of 838 buffers exact to 0.01 %)
 *   CUDA, ROCm with a cache that is not F16: from nothing to all of it converted inside flash attention; which kernel runs,
 *     and so whether it converts, is the card's affair
 *   Metal with flash attention: from nothing to what its source reserves, for which there was no judge
 *   sparse attention beside latent attention: from none of its zeros to all layers' at once (early-leaves.ts)
 *   sparse attention by blocks: BLOCK_BANDS
 *   rows split over accelerators: ± 10 %, a guess
 */
export function computeRange(
  model: ModelSpec,
  options: LlamaCppOptions,
  caches: CacheShape,
  placement: Placement,
  accelerators: readonly Device[],
  mid: ComputeBuffers = computeBuffers(model, options, caches, placement, accelerators),
): ComputeRange {
  if (options.splitMode === "row" && accelerators.length > 1) {
    return { low: scaled(mid, 1 - ROW_SPLIT_BAND), high: scaled(mid, 1 + ROW_SPLIT_BAND) };
  }
  const blocks = model.layers.some(({ sideCaches }) => sideCaches.some(({ blockCells }) => blockCells > 1));
  if (blocks && options.flashAttention) {
    const band = caches.streams === 1 ? BLOCK_BANDS.oneStream : BLOCK_BANDS.streams;
    return { low: scaled(mid, band.low), high: scaled(mid, band.high) };
  }
  const open = accelerators.some(({ backend }) => mayConvert(bufferRule(backend), options));
  if (open) return { low: computeBuffers(model, options, caches, placement, accelerators, true), high: mid };
  const early = earlyLeaves(model, caches, placement, accelerators.length);
  return early === null ? { low: mid, high: mid } : { low: without(mid, early), high: scaled(mid, 1 + INDEXER_BAND) };
}

function mayConvert({ scratch }: BufferRule, { flashAttention, kvTypeK, kvTypeV }: LlamaCppOptions): boolean {
  if (scratch === "metal") return true;
  return scratch === "f16" && flashAttention && (kvTypeK !== "F16" || kvTypeV !== "F16");
}

function without({ devices, host }: ComputeBuffers, less: ComputeBuffers): ComputeBuffers {
  return { devices: devices.map((bytes, i) => bytes - (less.devices[i] ?? 0)), host: host - less.host };
}

function scaled({ devices, host }: ComputeBuffers, factor: number): ComputeBuffers {
  return { devices: devices.map((bytes) => Math.round(bytes * factor)), host: Math.round(host * factor) };
}
