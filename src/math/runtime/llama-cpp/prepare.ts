import { isQuantized, rowBytes } from "../../ggml-types.ts";
import type { Device, Machine } from "../../machine.ts";
import type { LayerSpec, Mixer, ModelSpec, TensorSpec } from "../../model.ts";
import { type AllocationRule, allocatedBytes, sizeWeights } from "../../parts/weights.ts";
import { outsidePlace } from "../../parts/weights-place.ts";
import { ALLOCATION } from "./allocation.ts";
import { placeLayers, splitShares } from "./placement.ts";
import { HOST, type LlamaCppOptions, type Placement } from "./types.ts";

/** Layers on one device whose caches are alike: a cell of K and of V in bytes. Priced once, multiplied by `count`. */
export interface CacheGroup {
  readonly slot: number;
  readonly window: number | null;
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** CUDA's padding of the last quantized row, once per tensor. */
  readonly keyPadding: number;
  readonly valuePadding: number;
  readonly alignment: number;
  count: number;
}

export interface StateGroup {
  readonly slot: number;
  readonly convElements: number;
  readonly stateElements: number;
  readonly alignment: number;
  count: number;
}

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
  /** Bytes of the head's matrix and of the largest expert tensor: copied to an accelerator when they lie on the host. */
  readonly sizes: { readonly outputBytes: number; readonly expertTensorBytes: number };
}

/**
 * Places a typed model on a machine and prices its weights and one cell of each cache.
 * @throws {RangeError} when a tensor has no type (give the model a weights choice first)
 */
export function prepare(model: ModelSpec, options: LlamaCppOptions, machine: Machine): Prepared {
  const placement = placeLayers(model, options, machine);
  const slots = [...machine.accelerators, machine.host];
  const hostSlot = machine.accelerators.length;
  const slotOf = (device: number): number => (device === HOST ? hostSlot : device);
  const ruleOf = (slot: number): AllocationRule => ALLOCATION[slots[slot]?.backend ?? "cpu"];

  const weights = new Float64Array(slots.length);
  const layerWeights = new Float64Array(model.layers.length);
  const layerSlot = new Int16Array(model.layers.length);
  const shares = options.splitMode === "row" && hostSlot > 1 ? splitShares(machine, options.tensorSplit) : null;
  const overrides = compileOverrides(options, machine);
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
        const target = overrides.find((o) => o.pattern.test(tensor.name))?.slot;
        if (target === undefined || target === slot) continue;
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

  const outside = placeOutside(model, placement, slotOf, ruleOf, hostSlot);
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
    sizes: {
      outputBytes: headBytes(model, ruleOf(hostSlot)),
      expertTensorBytes: largestExpertTensor(model, ruleOf(hostSlot)),
    },
  };
}

interface CompiledOverride {
  readonly pattern: RegExp;
  readonly slot: number;
}

/** The first match wins; --n-cpu-moe comes after what was given by hand, as llama.cpp appends it. */
function compileOverrides(options: LlamaCppOptions, machine: Machine): readonly CompiledOverride[] {
  if (options.overrideTensor.length === 0) return [];
  const host = machine.accelerators.length;
  const list = options.overrideTensor.map(({ pattern, buffer }) => {
    const number = /\d+$/.exec(buffer)?.[0];
    return { pattern: new RegExp(pattern), slot: number === undefined ? host : Math.min(Number(number), host) };
  });
  if (options.cpuMoeLayers > 0) {
    const pattern = /^blk\.(\d+)\.ffn_(up|down|gate|gate_up)_(ch|)exps/;
    const test = (name: string): boolean => Number(pattern.exec(name)?.[1] ?? Infinity) < options.cpuMoeLayers;
    list.push({ pattern: Object.assign(new RegExp(pattern), { test }), slot: host });
  }
  return list;
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
 * that has a layer.
 * @source src/llama-model.cpp, src/llama-model-loader.cpp@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
function placeOutside(
  model: ModelSpec,
  placement: Placement,
  slotOf: (device: number) => number,
  ruleOf: (slot: number) => AllocationRule,
  hostSlot: number,
): OutsidePart[] {
  const parts: OutsidePart[] = [];
  const add = (tensor: TensorSpec, slot: number, name = tensor.name): void => {
    parts.push({ name, slot, bytes: allocatedBytes(tensor, ruleOf(slot)) });
  };
  const outputSlot = slotOf(placement.outputDevice);
  const layerSlots = new Set<number>();
  for (let i = 0; i < model.layers.length; i++) layerSlots.add(slotOf(placement.layerDevice[i] ?? HOST));
  for (const tensor of model.outside) {
    const place = outsidePlace(tensor);
    if (place === "input") {
      add(tensor, hostSlot);
      if (model.tiedEmbeddings && tensor.name === "token_embd.weight" && outputSlot !== hostSlot) {
        add(tensor, outputSlot, "token_embd.weight as output");
      }
    } else if (place === "with-layers") {
      for (const slot of [...layerSlots].sort((a, b) => a - b)) add(tensor, slot);
    } else {
      add(tensor, outputSlot);
    }
  }
  return parts;
}

function headBytes(model: ModelSpec, rule: AllocationRule): number {
  const head =
    model.outside.find((t) => t.role === "output") ?? model.outside.find((t) => t.name === "token_embd.weight") ?? null;
  return head === null ? 0 : allocatedBytes(head, rule);
}

function largestExpertTensor(model: ModelSpec, rule: AllocationRule): number {
  let largest = 0;
  for (const layer of model.layers) {
    if (layer.feedForward.kind !== "moe") continue;
    for (const tensor of layer.tensors) {
      if (tensor.role === "expert") largest = Math.max(largest, allocatedBytes(tensor, rule));
    }
  }
  return largest;
}

/** Elements of K and of V that a mixer keeps per cell; null for a recurrent one. MLA's V is a view of its K. */
export function cacheElements(
  mixer: Mixer,
): { readonly key: number; readonly value: number; readonly window: number | null } | null {
  if (mixer.kind === "state") return null;
  if (mixer.kind === "latent") return { key: mixer.kvLoraRank + mixer.ropeDim, value: 0, window: null };
  return {
    key: mixer.kvHeads * mixer.headDimK,
    value: mixer.kvHeads * mixer.headDimV,
    window: mixer.kind === "full" ? null : mixer.window,
  };
}

interface Grouped<G> {
  readonly groups: readonly G[];
  readonly byLayer: readonly (readonly number[])[];
}

function groupCaches(
  model: ModelSpec,
  options: LlamaCppOptions,
  layerSlot: Int16Array,
  ruleOf: (slot: number) => AllocationRule,
): Grouped<CacheGroup> {
  const groups: CacheGroup[] = [];
  const index = new Map<string, number>();
  const widestValue = options.flashAttention ? 0 : widestValueRow(model);
  const cellOf = (layer: LayerSpec, key: number, value: number, window: number | null): number => {
    const slot = layerSlot[layer.index] ?? 0;
    const rule = ruleOf(slot);
    const id = `${slot} ${key} ${value} ${window}`;
    const known = index.get(id);
    if (known !== undefined) {
      const group = groups[known];
      if (group !== undefined) group.count++;
      return known;
    }
    index.set(id, groups.length);
    groups.push({
      slot,
      window,
      keyBytes: key === 0 ? 0 : rowBytes(options.kvTypeK, key),
      valueBytes: value === 0 ? 0 : rowBytes(options.kvTypeV, value),
      keyPadding: rowPadding(options.kvTypeK, key, rule),
      valuePadding: rowPadding(options.kvTypeV, value, rule),
      alignment: rule.alignment,
      count: 1,
    });
    return groups.length - 1;
  };

  const byLayer = model.layers.map((layer) => {
    if (layer.kvSharedWith !== null) return [];
    const own: number[] = [];
    for (const mixer of layer.mixers) {
      const elements = cacheElements(mixer);
      if (elements === null) continue;
      // Without flash attention V lies transposed, and llama.cpp gives every layer the widest row.
      const value = elements.value === 0 ? 0 : Math.max(elements.value, widestValue);
      own.push(cellOf(layer, elements.key, value, elements.window));
    }
    for (const side of layer.sideCaches) own.push(cellOf(layer, side.elementsPerCell, 0, null));
    return own;
  });
  return { groups, byLayer };
}

function widestValueRow(model: ModelSpec): number {
  let widest = 0;
  for (const layer of model.layers) {
    if (layer.kvSharedWith !== null) continue;
    for (const mixer of layer.mixers) widest = Math.max(widest, cacheElements(mixer)?.value ?? 0);
  }
  return widest;
}

function rowPadding(type: LlamaCppOptions["kvTypeK"], elements: number, rule: AllocationRule): number {
  const rest = elements % rule.quantizedRowMultiple;
  return elements > 0 && rest !== 0 && isQuantized(type) ? rowBytes(type, rule.quantizedRowMultiple - rest) : 0;
}

function groupStates(
  model: ModelSpec,
  layerSlot: Int16Array,
  ruleOf: (slot: number) => AllocationRule,
): Grouped<StateGroup> {
  const groups: StateGroup[] = [];
  const index = new Map<string, number>();
  const byLayer = model.layers.map((layer) => {
    const own: number[] = [];
    for (const mixer of layer.mixers) {
      if (mixer.kind !== "state") continue;
      const slot = layerSlot[layer.index] ?? 0;
      const id = `${slot} ${mixer.convElements} ${mixer.stateElements}`;
      let at = index.get(id);
      if (at === undefined) {
        at = groups.length;
        index.set(id, at);
        groups.push({
          slot,
          convElements: mixer.convElements,
          stateElements: mixer.stateElements,
          alignment: ruleOf(slot).alignment,
          count: 0,
        });
      }
      const group = groups[at];
      if (group !== undefined) group.count++;
      own.push(at);
    }
    return own;
  });
  return { groups, byLayer };
}
