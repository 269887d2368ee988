import type { Prepared } from "./prepare.ts";
import { limitKey, MOST_REMEMBERED } from "./solve.ts";
import type { LlamaCppOptions } from "./types.ts";

/** Where a load's layers and tensors lie. */
export type Layout = Pick<LlamaCppOptions, "gpuLayers" | "tensorSplit" | "overrideTensor">;

const kept = new WeakMap<Prepared["known"], Map<string, Layout>>();

/**
 * The layout found for a load that does not fit as it was asked for: the same question comes again with every redrawing
 * and every comparison.
 * @param prepared with all layers offloaded
 */
export function keptLayout(prepared: Prepared, fits: boolean, find: () => LlamaCppOptions): LlamaCppOptions {
  const { options, known } = prepared;
  let layouts = kept.get(known);
  if (layouts === undefined || layouts.size >= MOST_REMEMBERED) {
    layouts = new Map();
    kept.set(known, layouts);
  }
  const key = limitKey(prepared, `${fits ? "fit" : "layers"} at ${options.context} ${options.sequences}`);
  let layout = layouts.get(key);
  if (layout === undefined) {
    const { gpuLayers, tensorSplit, overrideTensor } = find();
    layout = { gpuLayers, tensorSplit, overrideTensor };
    layouts.set(key, layout);
  }
  return { ...options, ...layout };
}
