/** What stays as it is while the context and the number of sequences move: cache groups and weights. */
import type { Device } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { FormatMethod } from "../../parts/formats/format.ts";
import { formatOf } from "../../parts/formats/index.ts";
import { GIB } from "../../units.ts";
import type { EngineRefusal } from "../runtime.ts";
import { type RankWeights, rankWeights } from "../torch/parameters.ts";
import { groupCaches } from "./groups.ts";
import { mxfp4Reshape, mxfp4Tiles } from "./kernels.ts";
import type { VllmOptions } from "./options.ts";
import type { Pooled } from "./pool.ts";
import type { VllmRules } from "./rules.ts";
import { blockTokens, type CacheOptions, cacheSpecs } from "./specs.ts";

export type Prepared =
  | { readonly status: "ok"; readonly pooled: Pooled; readonly weights: RankWeights }
  | EngineRefusal;

/** @throws {RangeError} when no weight format was chosen */
export function prepareVllm(model: ModelSpec, options: VllmOptions, device: Device, rules: VllmRules): Prepared {
  const cache: CacheOptions = {
    ranks: options.ranks.tensor,
    kvBytes: options.kvType === "auto" ? 2 : 1,
    fp8: options.kvType !== "auto",
    fullLength: options.swaFull,
    rules,
  };
  const grouping = groupCaches(cacheSpecs(model, cache), rules.padsPages);
  if (grouping.status === "refused")
    return {
      status: "refused",
      reason: grouping.reason,
      hint: "take a cache type of bf16, or plan for another engine",
    };
  const weights = weightsOn(model, options.ranks.tensor, device);
  return {
    status: "ok",
    pooled: {
      model,
      options,
      rules,
      layout: grouping.layout,
      blockTokens: blockTokens(model, cache),
      backend: device.backend,
      loadingBytes: loadingBytes(weights, device, formatOf(model).method),
    },
    weights,
  };
}

/** Seen on every ROCm row alike, whatever is loaded. */
const ROCM_LOADING = 0.07 * GIB;
/** Layers in MXFP4 whose first copy PyTorch keeps after their experts were laid out anew. Fitted on two rows. */
const ROCM_REPACKED_LAYERS = 2.07;

/** With ROCm vLLM asks the driver, who counts what PyTorch holds back. @source vLLM v0.33.0 platforms/rocm.py get_current_memory_usage */
function loadingBytes(weights: RankWeights, { backend }: Device, method: FormatMethod): number {
  if (backend !== "rocm") return 0;
  const repacked = method === "mxfp4" ? ROCM_REPACKED_LAYERS * Math.max(0, ...weights.layers) : 0;
  return Math.round(ROCM_LOADING + repacked);
}

function weightsOn(model: ModelSpec, ranks: number, device: Device): RankWeights {
  if (formatOf(model).method !== "mxfp4") return rankWeights(model, ranks);
  const tiles = mxfp4Tiles(device);
  return rankWeights(model, ranks, { id: tiles.id, of: mxfp4Reshape(tiles, ranks, model.embeddingLength) });
}
