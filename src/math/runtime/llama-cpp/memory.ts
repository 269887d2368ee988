import { plannableBytes } from "../../machine.ts";
import { pad } from "../../units.ts";
import { OVERHEAD } from "../driver-overhead.ts";
import { addTo, type BesideLoad } from "./beside.ts";
import type { CacheGroup, StateGroup } from "./cache-groups.ts";
import { shapeCaches } from "./caches.ts";
import { computeBuffers } from "./compute/buffers.ts";
import { withEarlyLeaves } from "./compute/early-leaves.ts";
import type { Prepared } from "./prepare.ts";
import { outputRows } from "./resolve.ts";
import type { CacheShape, LlamaCppOptions } from "./types.ts";

/** What a load takes, by slot (accelerators, then the host). Bytes. */
export interface Totals {
  readonly options: LlamaCppOptions;
  readonly shape: CacheShape;
  readonly kv: Float64Array;
  readonly state: Float64Array;
  readonly compute: Float64Array;
  readonly output: Float64Array;
  readonly overhead: Float64Array;
  /** Weights and all of the above. */
  readonly total: Float64Array;
  /** Compute buffers of the model alone, by slot. */
  readonly buffers: readonly number[];
  /** What lies beside the model, in the order of Prepared.beside; counted in all of the above. */
  readonly beside: readonly BesideLoad[];
}

/**
 * Bytes of one layer's K and V (or of one side cache):
 *   pad(streams · cells · row(K) + rest, a) + pad(streams · cells · row(V) + rest, a)
 * @source src/llama-kv-cache.cpp#L208@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export function cacheBytes(group: CacheGroup, shape: CacheShape): number {
  const rows = shape.streams * cellsOf(group, shape);
  const key = group.keyBytes === 0 ? 0 : pad(rows * group.keyBytes + group.keyPadding, group.alignment);
  const value = group.valueBytes === 0 ? 0 : pad(rows * group.valueBytes + group.valuePadding, group.alignment);
  return key + value;
}

export function cellsOf(group: CacheGroup, shape: CacheShape): number {
  return group.window === null ? shape.cells : shape.windowCells(group.window);
}

/**
 * Bytes of one layer's recurrent state, always F32, once for each sequence:
 *   pad(4 · S · conv, a) + pad(4 · S · state, a)
 * @source src/llama-memory-recurrent.cpp#L99@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export function stateBytes(group: StateGroup, sequences: number): number {
  return (
    pad(4 * sequences * group.convElements, group.alignment) + pad(4 * sequences * group.stateElements, group.alignment)
  );
}

/**
 * Memory of the prepared model at this context and this many sequences. Cheap enough to be called for each step of a
 * slider and of a bisection: caches are priced by group, not by layer.
 */
export function totals(prepared: Prepared, context: number, sequences: number): Totals {
  const options = atLoad(prepared.options, context, sequences);
  const shape = shapeCaches(options, context, sequences);
  const { model, placement, machine } = prepared;
  const computed = computeBuffers(model, options, shape, placement, machine.accelerators);
  const buffers = withEarlyLeaves(computed, model, shape, placement);
  return totalsWith(prepared, options, shape, [...buffers.devices, buffers.host]);
}

/** The same with compute buffers that are known already, by slot. */
export function totalsWith(
  prepared: Prepared,
  options: LlamaCppOptions,
  shape: CacheShape,
  buffers: readonly number[],
): Totals {
  const { slots, hostSlot, model } = prepared;
  const { sequences } = options;
  const n = slots.length;
  const kv = new Float64Array(n);
  const state = new Float64Array(n);
  const compute = new Float64Array(n);
  const output = new Float64Array(n);
  const overhead = new Float64Array(n);
  const total = new Float64Array(n);

  for (const group of prepared.caches) kv[group.slot] = (kv[group.slot] ?? 0) + group.count * cacheBytes(group, shape);
  for (const group of prepared.states) {
    state[group.slot] = (state[group.slot] ?? 0) + group.count * stateBytes(group, sequences);
  }
  for (let i = 0; i < hostSlot; i++) {
    compute[i] = buffers[i] ?? 0;
    const device = slots[i];
    if (device !== undefined && usesSlot(prepared, i)) overhead[i] = OVERHEAD[device.backend].mid;
  }
  compute[hostSlot] = buffers[hostSlot] ?? 0;
  output[hostSlot] = outputBytes(model.vocabularySize, options.rules.logits === "n_batch" ? options.batch : sequences);
  const beside = prepared.beside.map((one) => one.at(prepared, options, shape, buffers));
  for (const load of beside) {
    addTo(kv, load.kv);
    addTo(state, load.state);
    addTo(compute, load.compute);
    addTo(output, load.output);
  }
  for (let i = 0; i < n; i++) {
    total[i] =
      (prepared.weights[i] ?? 0) +
      (kv[i] ?? 0) +
      (state[i] ?? 0) +
      (compute[i] ?? 0) +
      (output[i] ?? 0) +
      (overhead[i] ?? 0);
  }
  return { options, shape, kv, state, compute, output, overhead, total, buffers, beside };
}

/** The options as they stand at this load. */
export function atLoad(options: LlamaCppOptions, context: number, sequences: number): LlamaCppOptions {
  if (options.context === context && options.sequences === sequences) return options;
  return {
    ...options,
    context,
    sequences,
    outputs: outputRows(options.program, sequences, options.batch, options.rules, options.draftTokens),
  };
}

/**
 * Logits that come back to the host, one F32 row per sequence (before b2540: per token of n_batch): 4 · rows · vocabulary.
 * @source src/llama-context.cpp output_reserve@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export function outputBytes(vocabulary: number, rows: number): number {
  return 4 * rows * vocabulary;
}

function usesSlot(prepared: Prepared, slot: number): boolean {
  return (prepared.weights[slot] ?? 0) > 0 || prepared.placement.outputDevice === slot;
}

/** What is left on each slot after the load and the margin; null where no limit is known. Negative: short by that much. */
export function spare(prepared: Prepared, load: Totals): (number | null)[] {
  const { slots, hostSlot, machine, options } = prepared;
  const left = slots.map((device, i): number | null => {
    const limit = plannableBytes(device);
    if (limit === null) return null;
    const used = load.total[i] ?? 0;
    if (i < hostSlot && used === 0) return limit;
    return limit - used - (i < hostSlot ? options.reserveBytes : (options.hostReserveBytes ?? 0));
  });
  // One memory for both: what the accelerator takes is gone from the host as well.
  const host = left[hostSlot];
  if (machine.unified && host !== null && host !== undefined) {
    let shared = 0;
    for (let i = 0; i < hostSlot; i++) shared += load.total[i] ?? 0;
    left[hostSlot] = host - shared;
  }
  return left;
}

/** True when no known limit is crossed. */
export function fits(prepared: Prepared, load: Totals): boolean {
  return spare(prepared, load).every((left) => left === null || left >= 0);
}

/** Per-layer columns for the picture and the table. */
export interface LayerColumns {
  readonly weights: Float64Array;
  readonly kv: Float64Array;
  readonly state: Float64Array;
  /** Cells of all streams of the layer's longest cache; 0 = none. */
  readonly cells: Float64Array;
  /** Slot of the layer. */
  readonly slot: Int16Array;
}

export function layerColumns(prepared: Prepared, load: Totals): LayerColumns {
  const n = prepared.model.layers.length;
  const kv = new Float64Array(n);
  const state = new Float64Array(n);
  const cells = new Float64Array(n);
  const groupBytes = prepared.caches.map((group) => cacheBytes(group, load.shape));
  const groupCells = prepared.caches.map((group) => load.shape.streams * cellsOf(group, load.shape));
  const groupState = prepared.states.map((group) => stateBytes(group, load.options.sequences));
  for (let i = 0; i < n; i++) {
    let kvBytes = 0;
    let longest = 0;
    for (const g of prepared.layerCaches[i] ?? []) {
      kvBytes += groupBytes[g] ?? 0;
      longest = Math.max(longest, groupCells[g] ?? 0);
    }
    let stateTotal = 0;
    for (const g of prepared.layerStates[i] ?? []) stateTotal += groupState[g] ?? 0;
    kv[i] = kvBytes;
    state[i] = stateTotal;
    cells[i] = longest;
  }
  return { weights: prepared.layerWeights, kv, state, cells, slot: prepared.layerSlot };
}
