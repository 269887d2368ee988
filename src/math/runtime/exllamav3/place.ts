/** ExLlamaV3's autosplit: each GPU in turn takes layers for as long as they and a step fit beside its reserve. */
import { type Machine, plannableBytes } from "../../machine.ts";

export interface Placing {
  readonly machine: Machine;
  readonly reserveBytes: readonly number[];
  /** What a layer takes: weights, cache and state. */
  readonly layers: Float64Array;
  /** What is taken after the last layer: norm, head, logits. */
  readonly last: number;
  /** What each GPU in use takes besides. */
  readonly beside: number;
}

/**
 * The GPU of each layer, and of the head. What no GPU has room for goes to the last one, and does not fit.
 * @source exllamav3 v1.4.1 model/model_ls.py _load_autosplit
 */
export function autosplit({ machine, reserveBytes, layers, last, beside }: Placing): {
  readonly slot: Int16Array;
  readonly head: number;
} {
  const slot = new Int16Array(layers.length);
  const rooms = machine.accelerators.map((device, i) => {
    const limit = plannableBytes(device);
    return limit === null ? Number.POSITIVE_INFINITY : limit - (reserveBytes[i] ?? 0) - beside;
  });
  let device = 0;
  let used = 0;
  const take = (bytes: number): number => {
    while (used + bytes > (rooms[device] ?? 0) && device < rooms.length - 1) {
      device++;
      used = 0;
    }
    used += bytes;
    return device;
  };
  for (let i = 0; i < layers.length; i++) slot[i] = take(layers[i] ?? 0);
  return { slot, head: take(last) };
}
