/**
 * A plan of an engine that gives whole layers to devices, or cuts each layer evenly among all of them. What a load needs
 * is said per layer and per slot; sums, limits and what is left over are the same for all such engines.
 */
import { type Device, type Machine, plannableBytes } from "../machine.ts";
import type { ModelSpec } from "../model.ts";
import type { Basis, OptionValue, Part } from "../result.ts";
import { type EngineLayers, type EnginePlan, PARTS, type PartColumns } from "./runtime.ts";
import { largest } from "./search.ts";

/** What a load needs beside weights. The first three are indexed like the model's layers, and are one rank's. */
export interface LayerLoad {
  readonly kv: Float64Array;
  readonly state: Float64Array;
  readonly cells: Float64Array;
  /** Bytes by slot. */
  readonly compute: Float64Array;
  readonly output: Float64Array;
  readonly overhead: Float64Array;
  /** Bytes of cache that the engine's own budget has no room for, though the device might; 0: none. */
  readonly short: number;
}

export interface LayerPlan {
  readonly model: ModelSpec;
  readonly machine: Machine;
  /** Accelerators, then the host. */
  readonly slots: readonly Device[];
  /** The slot of each layer; with ranks > 1 the layer lies on that slot and the ranks - 1 after it. */
  readonly slot: Int16Array;
  /** Devices that share every layer. */
  readonly ranks: number;
  /** Bytes of each layer's weights on one rank. */
  readonly layerWeights: Float64Array;
  readonly outside: EnginePlan["outside"];
  /** Kept free by slot, on those that are used; what is not said is nothing. */
  readonly reserveBytes: readonly number[];
  readonly context: number;
  readonly sequences: number;
  /** The most that the engine takes, whatever the memory; null: not known. */
  readonly mostContext: number | null;
  readonly mostSequences: number;
  readonly load: (context: number, sequences: number) => LayerLoad;
  readonly sideCaches: (layer: number, load: LayerLoad) => readonly number[];
  readonly options: Readonly<Record<string, OptionValue>>;
  readonly basis: Readonly<Record<Part, Basis>>;
  /** Bytes that the sum of all slots may be off by. */
  readonly range: (load: LayerLoad, weights: Float64Array) => { readonly less: number; readonly more: number };
  readonly gpuLayers: () => number | null;
  readonly warnings: readonly string[];
  readonly command: EnginePlan["command"];
  readonly explain: (load: LayerLoad) => readonly string[];
}

export function layOut(plan: LayerPlan): EnginePlan {
  const weights = weightsBySlot(plan);
  const at = (context: number, sequences: number): Sums => sums(plan, weights, plan.load(context, sequences));
  const fits = (context: number, sequences: number): boolean =>
    spare(plan, at(context, sequences)).every((left) => left === null || left >= 0);

  const here = at(plan.context, plan.sequences);
  const sum = here.total.reduce((all, bytes) => all + bytes, 0);
  const { less, more } = plan.range(here.load, weights);
  return {
    status: "planned",
    options: plan.options,
    slots: plan.slots,
    parts: here.parts,
    total: here.total,
    reserved: Float64Array.from(plan.slots, (_, i) => ((here.total[i] ?? 0) > 0 ? (plan.reserveBytes[i] ?? 0) : 0)),
    spare: spare(plan, here),
    low: Math.round(sum - less),
    high: Math.round(sum + more),
    basis: plan.basis,
    layers: layersOf(plan, here.load),
    outside: plan.outside,
    warnings: plan.warnings,
    limits: () => ({
      maxContext:
        plan.mostContext === null ? null : largest(1, plan.mostContext, (context) => fits(context, plan.sequences)),
      maxSequences: largest(1, plan.mostSequences, (sequences) => fits(plan.context, sequences)),
      gpuLayers: plan.gpuLayers(),
    }),
    at: (context) => at(context, plan.sequences),
    command: plan.command,
    explain: () => plan.explain(here.load),
  };
}

interface Sums {
  readonly load: LayerLoad;
  readonly parts: PartColumns;
  readonly total: Float64Array;
}

function weightsBySlot({ slots, slot, ranks, layerWeights, outside }: LayerPlan): Float64Array {
  const bytes = bySlot(slots.length, slot, ranks, layerWeights);
  for (const part of outside) bytes[part.slot] = (bytes[part.slot] ?? 0) + part.bytes;
  return bytes;
}

function bySlot(slots: number, slot: Int16Array, ranks: number, layers: Float64Array): Float64Array {
  const bytes = new Float64Array(slots);
  for (let i = 0; i < layers.length; i++) {
    const first = slot[i] ?? 0;
    for (let rank = 0; rank < ranks; rank++) bytes[first + rank] = (bytes[first + rank] ?? 0) + (layers[i] ?? 0);
  }
  return bytes;
}

function sums({ slots, slot, ranks }: LayerPlan, weights: Float64Array, load: LayerLoad): Sums {
  const parts: PartColumns = {
    weights_bytes: weights,
    kv_cache_bytes: bySlot(slots.length, slot, ranks, load.kv),
    state_bytes: bySlot(slots.length, slot, ranks, load.state),
    compute_bytes: load.compute,
    output_bytes: load.output,
    overhead_bytes: load.overhead,
  };
  const total = new Float64Array(slots.length);
  for (const part of PARTS) for (let i = 0; i < slots.length; i++) total[i] = (total[i] ?? 0) + (parts[part][i] ?? 0);
  return { load, parts, total };
}

/** What is left on each slot; negative: short by that much. One memory for both: what an accelerator takes is gone from the host. */
function spare({ slots, machine, reserveBytes }: LayerPlan, { load, total }: Sums): (number | null)[] {
  const host = machine.accelerators.length;
  const left = slots.map((device, i): number | null => {
    const limit = plannableBytes(device);
    if (limit === null) return null;
    const used = total[i] ?? 0;
    return used > 0 ? limit - used - (reserveBytes[i] ?? 0) : limit - used;
  });
  const ofHost = left[host];
  if (machine.unified && ofHost !== null && ofHost !== undefined) {
    let shared = 0;
    for (let i = 0; i < host; i++) shared += total[i] ?? 0;
    left[host] = ofHost - shared;
  }
  if (load.short > 0) left[0] = Math.min(left[0] ?? 0, -load.short);
  return left;
}

function layersOf(plan: LayerPlan, load: LayerLoad): EngineLayers {
  const all = (one: Float64Array): Float64Array => one.map((bytes) => bytes * plan.ranks);
  return {
    weights: all(plan.layerWeights),
    kv: all(load.kv),
    state: all(load.state),
    cells: load.cells,
    slot: plan.slot,
    sideCaches: (layer) => plan.sideCaches(layer, load),
  };
}
