/** mistral.rs's pool of cache blocks, where a share of the memory is given to it. */
import { type Machine, plannableBytes } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import { OVERHEAD } from "../driver-overhead.ts";
import { BLOCK_TOKENS } from "./caches.ts";
import { activationReserve } from "./mapper.ts";
import type { Resident } from "./resident.ts";
import type { MistralOptions } from "./types.ts";

const sum = (bytes: Iterable<number>): number => {
  let all = 0;
  for (const one of bytes) all += one;
  return all;
};

/**
 * MiB of the pool: ⌊(available − reserve) · share − weights − activations⌋, the weights as the device map reckons them.
 * Where GPUs share layers there is no map, and it is ⌊memory · share − what is taken⌋ of each. null: no share was asked for.
 * @source mistral.rs v0.9.2 pipeline/loaders/auto_device_map.rs get_device_layers, paged_attention/mod.rs calculate_cache_config
 */
export function poolMibOf(
  model: ModelSpec,
  options: MistralOptions,
  machine: Machine,
  weights: Resident,
): number | null {
  const device = machine.accelerators[0];
  if (options.utilization === null || device === undefined) return null;
  const available = plannableBytes(device);
  if (available === null) return null;
  let bytes: number;
  if (options.tensorParallel > 1) {
    const taken = sum(weights.layers) + weights.outside.reduce((all, part) => all + part.bytes, 0);
    bytes = (device.memoryBytes ?? available) * options.utilization - taken - OVERHEAD[device.backend].mid;
  } else {
    const room = (available - (options.reserveBytes[0] ?? 0)) * options.utilization;
    const activations = activationReserve(model, options.context, options.sequences, options.typeBytes);
    bytes = room - sum(weights.mappedLayers) - weights.mappedOutside - activations;
  }
  return Math.max(0, Math.floor(bytes / 2 ** 20));
}

/** Bytes of cache that so many blocks hold, by the elements that mistral.rs reckons with. */
export function blockBytes(blocks: number, { kvBytes }: MistralOptions, elements: number): number {
  return Math.max(0, blocks) * BLOCK_TOKENS * elements * kvBytes;
}
