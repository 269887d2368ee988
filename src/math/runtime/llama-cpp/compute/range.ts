/** How far a load's compute buffers may be from what computeBuffers says. */
import type { Device } from "../../../machine.ts";
import type { ModelSpec } from "../../../model.ts";
import type { CacheShape, ComputeBuffers, LlamaCppOptions, Placement } from "../types.ts";
import { type BufferRule, bufferRule } from "./backends.ts";
import { computeBuffers } from "./buffers.ts";

export interface ComputeRange {
  readonly low: ComputeBuffers;
  readonly high: ComputeBuffers;
}

/** A guess: rows split over several accelerators were never compared with the engine. */
export const ROW_SPLIT_BAND = 0.1;

/**
 * By regime:
 *   an accelerator without scratch, the host: nothing is open (the engine's own accounting: 838 of 838 buffers exact to 0.01 %)
 *   CUDA, ROCm with a cache that is not F16: from nothing to all of it converted inside flash attention; which kernel runs,
 *     and so whether it converts, is the card's affair
 *   Metal with flash attention: from nothing to what its source reserves, for which there was no judge
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
  const open = accelerators.some(({ backend }) => mayConvert(bufferRule(backend), options));
  return { low: open ? computeBuffers(model, options, caches, placement, accelerators, true) : mid, high: mid };
}

function mayConvert({ scratch }: BufferRule, { flashAttention, kvTypeK, kvTypeV }: LlamaCppOptions): boolean {
  if (scratch === "metal") return true;
  return scratch === "f16" && flashAttention && (kvTypeK !== "F16" || kvTypeV !== "F16");
}

function scaled({ devices, host }: ComputeBuffers, factor: number): ComputeBuffers {
  return { devices: devices.map((bytes) => Math.round(bytes * factor)), host: Math.round(host * factor) };
}
