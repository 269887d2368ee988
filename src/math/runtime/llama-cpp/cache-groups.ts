/** Caches and states by kind and device, so that a plan prices a kind once however many layers share it. */
import { isQuantized, rowBytes } from "../../ggml-types.ts";
import type { LayerSpec, Mixer, ModelSpec } from "../../model.ts";
import type { AllocationRule } from "../../parts/weights.ts";
import type { LlamaCppRules } from "./rules.ts";
import type { LlamaCppOptions } from "./types.ts";

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

/** Elements of K and of V that a mixer keeps per cell; null for a recurrent one and one without a cache. MLA's V is a view of its K since b7832, a copy before. */
export function cacheElements(
  mixer: Mixer,
  latent: LlamaCppRules["latent"] = "K",
): { readonly key: number; readonly value: number; readonly window: number | null } | null {
  if (mixer.kind === "state") return null;
  if (mixer.kind === "latent") {
    const value = latent === "K and V" ? mixer.kvLoraRank : 0;
    return { key: mixer.kvLoraRank + mixer.ropeDim, value, window: null };
  }
  if (!mixer.cached) return null;
  return {
    key: mixer.kvHeads * mixer.headDimK,
    value: mixer.kvHeads * mixer.headDimV,
    window: mixer.kind === "full" ? null : mixer.window,
  };
}

export interface Grouped<G> {
  readonly groups: readonly G[];
  readonly byLayer: readonly (readonly number[])[];
}

export function groupCaches(
  model: ModelSpec,
  options: LlamaCppOptions,
  layerSlot: Int16Array,
  ruleOf: (slot: number) => AllocationRule,
): Grouped<CacheGroup> {
  const groups: CacheGroup[] = [];
  const index = new Map<string, number>();
  const { latent } = options.rules;
  const widestValue = options.flashAttention ? 0 : widestValueRow(model, latent);
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
      const elements = cacheElements(mixer, latent);
      if (elements === null) continue;
      // Without flash attention V lies transposed, and llama.cpp gives every layer the widest row.
      const value = elements.value === 0 ? 0 : Math.max(elements.value, widestValue);
      own.push(cellOf(layer, elements.key, value, elements.window));
    }
    if (layer.emptyCache === true) own.push(cellOf(layer, 0, widestValue, null));
    for (const side of layer.sideCaches) own.push(cellOf(layer, side.elementsPerCell, sideValue(layer), null));
    return own;
  });
  return { groups, byLayer };
}

/**
 * llama.cpp makes an indexer's cache like the first one, with one head: one beside latent rows holds keys only, another one
 * head of values as well, which nothing reads.
 * @source src/llama-kv-cache-msa.cpp, src/llama-kv-cache-dsa.cpp at llama.cpp v0.5.0
 */
function sideValue({ mixers }: LayerSpec): number {
  const first = mixers.find((mixer) => mixer.kind !== "state");
  return first === undefined || first.kind === "latent" ? 0 : first.headDimV;
}

function widestValueRow(model: ModelSpec, latent: LlamaCppRules["latent"]): number {
  let widest = 0;
  for (const layer of model.layers) {
    if (layer.kvSharedWith !== null) continue;
    for (const mixer of layer.mixers) widest = Math.max(widest, cacheElements(mixer, latent)?.value ?? 0);
  }
  return widest;
}

function rowPadding(type: LlamaCppOptions["kvTypeK"], elements: number, rule: AllocationRule): number {
  const rest = elements % rule.quantizedRowMultiple;
  return elements > 0 && rest !== 0 && isQuantized(type) ? rowBytes(type, rule.quantizedRowMultiple - rest) : 0;
}

export function groupStates(
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
