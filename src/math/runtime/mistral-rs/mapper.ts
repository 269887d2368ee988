/** mistral.rs's automatic device map: as many layers as it believes to fit on each GPU in turn, the rest in system memory. */
import { type Machine, plannableBytes } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import { BLOCK_TOKENS } from "./caches.ts";
import type { Resident } from "./resident.ts";

/** @source mistral.rs v0.9.2 mistralrs-core/src/attention/mod.rs ATTENTION_CHUNK_SIZE */
export const ATTENTION_CHUNK = 1024;
/** @source mistral.rs v0.9.2 pipeline/loaders/auto_device_map.rs GPU_RESERVE_FRACTION, GPU_MIN_RESERVE_BYTES */
const RESERVE_SHARE = 0.02;
const LEAST_RESERVE = 512 * 2 ** 20;

/** What it keeps free of a GPU: 2 % of what is there, and no less than 512 MiB. */
export function reserveOf(available: number): number {
  return Math.min(available, Math.max(Math.floor(available * RESERVE_SHARE), LEAST_RESERVE));
}

/** sequences · heads · min(context, 1024)² · type: what it keeps for activations. @source pipeline/loaders/normal_loaders.rs mapped_max_act_size_elems */
export function activationReserve(model: ModelSpec, context: number, sequences: number, typeBytes: number): number {
  return sequences * headsOf(model) * Math.min(context, ATTENTION_CHUNK) ** 2 * typeBytes;
}

function headsOf(model: ModelSpec): number {
  let heads = 0;
  for (const { mixers } of model.layers)
    for (const mixer of mixers) if (mixer.kind !== "state") heads = Math.max(heads, mixer.heads);
  return heads;
}

export interface MapRequest {
  readonly model: ModelSpec;
  readonly machine: Machine;
  readonly weights: Resident;
  readonly context: number;
  readonly sequences: number;
  readonly typeBytes: number;
  /** Blocks of the pool; null: no paged attention. */
  readonly blocks: number | null;
  readonly reserveBytes: readonly number[];
}

/** Layers on each accelerator, in order; what is left over lies in system memory. null: one device without a known limit takes all. */
export function mapLayers(request: MapRequest): readonly number[] {
  const { model, machine, weights, typeBytes, context, sequences } = request;
  const layers = model.layers.length;
  const activations = activationReserve(model, context, sequences, typeBytes);
  const cache = layerCache(request);
  const counts: number[] = [];
  let next = 0;
  for (const [i, device] of machine.accelerators.entries()) {
    const available = plannableBytes(device);
    const first = i === 0;
    const outside = first ? weights.mappedOutside : 0;
    if (available === null) {
      counts.push(layers - next);
      return counts;
    }
    const room = available - (request.reserveBytes[i] ?? 0);
    let used = activations + outside;
    let count = 0;
    while (next + count < layers) {
      const layer = next + count;
      const wanted = (weights.mappedLayers[layer] ?? 0) + (cached(model, layer) ? cache : 0);
      if (used + wanted > room) break;
      used += wanted;
      count++;
    }
    counts.push(count);
    next += count;
  }
  return counts;
}

/**
 * Bytes that it reckons for one layer's cache: the heads of the widest layer over the whole context, windows or not.
 * @source mistral.rs v0.9.2 pipeline/loaders/auto_device_map.rs get_device_layers kv_cache_elems
 */
function layerCache({ model, context, sequences, blocks, typeBytes }: MapRequest): number {
  let elements = 0;
  for (const { mixers } of model.layers) {
    for (const mixer of mixers) {
      if (mixer.kind === "state") continue;
      const row =
        mixer.kind === "latent"
          ? mixer.heads * (mixer.nopeDim + mixer.ropeDim + mixer.valueDim)
          : mixer.kvHeads * (mixer.headDimK + mixer.headDimV);
      elements = Math.max(elements, row);
    }
  }
  return elements * (blocks === null ? context * sequences : blocks * BLOCK_TOKENS) * typeBytes;
}

function cached(model: ModelSpec, layer: number): boolean {
  return model.layers[layer]?.mixers.some(({ kind }) => kind !== "state") ?? false;
}
