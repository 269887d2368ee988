import type { Device, Machine } from "../../machine.ts";
import type { ModelSpec, TensorSpec } from "../../model.ts";
import { type AllocationRule, allocatedBytes, sizeWeights } from "../../parts/weights.ts";
import { outsidePlace } from "../../parts/weights-place.ts";
import { ALLOCATION } from "./allocation.ts";
import type { Beside } from "./beside.ts";
import { type CacheGroup, groupCaches, groupStates, type StateGroup } from "./cache-groups.ts";
import { GRAPH_TRAITS } from "./compute/traits.ts";
import { hostExpertLayers } from "./host-experts.ts";
import { type CompiledOverride, compileOverrides, overriddenSlot } from "./overrides.ts";
import { placeLayers, splitShares } from "./placement.ts";
import type { LlamaCppRules } from "./rules.ts";
import { HOST, type LlamaCppOptions, type Placement } from "./types.ts";

export interface OutsidePart {
  readonly name: string;
  readonly slot: number;
  readonly bytes: number;
}

/** All that does not depend on context and sequences. Slots: 0 … n-1 accelerators, n the host. */
export interface Prepared {
  readonly model: ModelSpec;
  readonly options: LlamaCppOptions;
  readonly machine: Machine;
  readonly placement: Placement;
  readonly slots: readonly Device[];
  readonly hostSlot: number;
  /** By slot: layers and outside parts. */
  readonly weights: Float64Array;
  /** By layer, wherever its tensors lie. */
  readonly layerWeights: Float64Array;
  readonly layerSlot: Int16Array;
  readonly outside: readonly OutsidePart[];
  readonly caches: readonly CacheGroup[];
  /** Index into `caches` of each layer's cache groups. */
  readonly layerCaches: readonly (readonly number[])[];
  readonly states: readonly StateGroup[];
  readonly layerStates: readonly (readonly number[])[];
  /** Limits that were found before (solve.ts), of this placement. */
  readonly known: Map<string, number | null>;
  /** What the load takes beside the model. */
  readonly beside: readonly Beside[];
}

/** By model, machine, the rules of the build and the rest of the options. */
const kept = new WeakMap<ModelSpec, WeakMap<Machine, WeakMap<LlamaCppRules, Map<string, Prepared>>>>();
/** A slider visits a few placements again and again; a stream of requests as well. */
const KEPT_PER_PAIR = 64;

/**
 * Places a typed model on a machine and prices its weights and one cell of each cache. Kept by model, machine and the
 * options that matter here, so that a step of context or sequences costs nothing.
 * @throws {RangeError} when a tensor has no type (give the model a weights choice first)
 */
export function prepare(model: ModelSpec, options: LlamaCppOptions, machine: Machine): Prepared {
  let byMachine = kept.get(model);
  if (byMachine === undefined) {
    byMachine = new WeakMap();
    kept.set(model, byMachine);
  }
  let byRules = byMachine.get(machine);
  if (byRules === undefined) {
    byRules = new WeakMap();
    byMachine.set(machine, byRules);
  }
  let byOptions = byRules.get(options.rules);
  if (byOptions === undefined) {
    byOptions = new Map();
    byRules.set(options.rules, byOptions);
  }
  const key = placementKey(options);
  let prepared = byOptions.get(key);
  if (prepared === undefined) {
    prepared = place(model, options, machine);
    if (byOptions.size >= KEPT_PER_PAIR) byOptions.clear();
    byOptions.set(key, prepared);
  }
  return prepared.options === options ? prepared : { ...prepared, options };
}

/** Every option but the rules, the lengths (context, sequences, batch) and what only the fit looks at. */
function placementKey(o: LlamaCppOptions): string {
  const overrides = o.overrideTensor.length === 0 ? "" : JSON.stringify(o.overrideTensor);
  return `${o.gpuLayers} ${o.cpuMoeLayers} ${o.splitMode} ${o.tensorSplit} ${o.kvTypeK} ${o.kvTypeV} ${o.flashAttention} ${overrides}`;
}

function place(model: ModelSpec, options: LlamaCppOptions, machine: Machine): Prepared {
  const placement = placeLayers(model, options, machine);
  const slots = [...machine.accelerators, machine.host];
  const hostSlot = machine.accelerators.length;
  const slotOf = (device: number): number => (device === HOST ? hostSlot : device);
  const ruleOf = (slot: number): AllocationRule => ALLOCATION[slots[slot]?.backend ?? "cpu"];

  const weights = new Float64Array(slots.length);
  const layerWeights = new Float64Array(model.layers.length);
  const layerSlot = new Int16Array(model.layers.length);
  const shares = options.splitMode === "row" && hostSlot > 1 ? splitShares(machine, options.tensorSplit) : null;
  const overrides = hostExpertLayers(options) === null ? compileOverrides(options, machine) : [];
  const put = (slot: number, bytes: number): void => {
    weights[slot] = (weights[slot] ?? 0) + bytes;
  };

  for (const layer of model.layers) {
    const i = layer.index;
    const slot = slotOf(placement.layerDevice[i] ?? HOST);
    layerSlot[i] = slot;
    const sizes = sizeWeights(model, ruleOf(slot));
    let own = sizes.layers[i] ?? 0;
    let moved = 0;
    if (overrides.length > 0) {
      for (const tensor of layer.tensors) {
        const target = overriddenSlot(overrides, tensor.name);
        if (target === null || target === slot) continue;
        own -= allocatedBytes(tensor, ruleOf(slot));
        const there = allocatedBytes(tensor, ruleOf(target));
        moved += there;
        put(target, there);
      }
    } else if (placement.expertsOnHost[i] === 1) {
      own -= sizes.experts[i] ?? 0;
      moved = sizeWeights(model, ruleOf(hostSlot)).experts[i] ?? 0;
      put(hostSlot, moved);
    }
    if (shares !== null && slot !== hostSlot) spreadRows(own, shares, put);
    else put(slot, own);
    layerWeights[i] = own + moved;
  }

  const outside = placeOutside(model, placement, overrides, slotOf, ruleOf, hostSlot);
  for (const part of outside) put(part.slot, part.bytes);

  const { groups, byLayer } = groupCaches(model, options, layerSlot, ruleOf);
  const states = groupStates(model, layerSlot, ruleOf);
  return {
    model,
    options,
    machine,
    placement,
    slots,
    hostSlot,
    weights,
    layerWeights,
    layerSlot,
    outside,
    caches: groups,
    layerCaches: byLayer,
    states: states.groups,
    layerStates: states.byLayer,
    known: new Map(),
    beside: [],
  };
}

/** -sm row: a matrix's rows go to the accelerators by their shares (kernel tile rounding not modelled). */
function spreadRows(bytes: number, shares: Float32Array, put: (slot: number, bytes: number) => void): void {
  let given = 0;
  for (let k = 0; k < shares.length; k++) {
    const upTo = k === shares.length - 1 ? bytes : Math.round(bytes * (shares[k] ?? 1));
    put(k, upTo - given);
    given = upTo;
  }
}

/**
 * Tensors outside layers. The input's embedding stays in system memory always; a tied head is created a second time
 * unless both lie in the same kind of buffer; tables that every layer reads (rope factors) stand once on each device
 * that has a layer which reads them. An override takes any of them elsewhere, copies too; what lies in one buffer twice is created once.
 * @source src/llama-model.cpp, src/llama-model-loader.cpp@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
function placeOutside(
  model: ModelSpec,
  placement: Placement,
  overrides: readonly CompiledOverride[],
  slotOf: (device: number) => number,
  ruleOf: (slot: number) => AllocationRule,
  hostSlot: number,
): OutsidePart[] {
  const parts: OutsidePart[] = [];
  const add = (tensor: TensorSpec, slot: number, name = tensor.name): void => {
    parts.push({ name, slot, bytes: allocatedBytes(tensor, ruleOf(slot)) });
  };
  const outputSlot = slotOf(placement.outputDevice);
  const { tiedHead, valuesNormed } = GRAPH_TRAITS[model.family];
  const firstSlot = slotOf(placement.layerDevice[0] ?? HOST);
  const layerSlots = new Set<number>();
  for (const { index, mixers } of model.layers) {
    if (valuesNormed && mixers.some((mixer) => "window" in mixer && mixer.window !== null)) continue;
    layerSlots.add(slotOf(placement.layerDevice[index] ?? HOST));
  }
  for (const tensor of model.outside) {
    const place = outsidePlace(tensor);
    const forced = overriddenSlot(overrides, tensor.name);
    if (place === "input") {
      const [input, output] = [forced ?? hostSlot, forced ?? outputSlot];
      add(tensor, input);
      const again = tiedHead === "always" || (tiedHead === "elsewhere" && output !== input);
      if (model.tiedEmbeddings && tensor.name === "token_embd.weight" && again) {
        add(tensor, output, "token_embd.weight as output");
      }
    } else if (place === "with-layers" && forced === null) {
      for (const slot of [...layerSlots].sort((a, b) => a - b)) add(tensor, slot);
    } else {
      add(tensor, forced ?? (place === "first-layer" ? firstSlot : outputSlot));
    }
  }
  return parts;
}
