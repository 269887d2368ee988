import type { Device, Machine } from "../../machine.ts";
import type { LatentMixer, LayerSpec, ModelSpec, StateMixer } from "../../model.ts";
import type { FormatSizes } from "../../parts/formats/index.ts";
import type { CacheKind } from "./cells.ts";
import { type ComputeTraits, computeTraits } from "./compute.ts";
import { KV_GROUP, type MlxOptions } from "./options.ts";
import { type MlxTraits, traitsOf } from "./traits.ts";
import { sizesOf } from "./weights.ts";

/** Caches of one kind, of all layers that have it. */
export interface CacheGroup {
  readonly cache: CacheKind;
  /** Σ over the layers, of one token of one sequence. */
  readonly bytesPerToken: number;
  /** Of the layer that takes most. */
  readonly bytesPerTokenOfOne: number;
  readonly layers: number;
}

/** One cache of one layer; `group` is its place in Prepared.groups. */
export interface LayerCache {
  readonly group: number;
  readonly bytesPerToken: number;
  readonly side: boolean;
}

/** What a plan asks of a model, whatever its context and machine. */
interface Layout {
  readonly sizes: FormatSizes;
  readonly groups: readonly CacheGroup[];
  readonly layerCaches: readonly (readonly LayerCache[])[];
  /** Bytes of one sequence's recurrent states by layer, and their sum. */
  readonly layerStates: Float64Array;
  readonly stateBytes: number;
  readonly compute: ComputeTraits;
  /** Heads of the layer that has most. */
  readonly heads: number;
}

/**
 * Bytes of one vector of a cache: 2 an element (4 where the weights are F32), or packed bits with a scale and a bias in
 * 16 bits each for every 64 elements. @source mlx-lm 0.32.2 mlx_lm/models/cache.py QuantizedKVCache
 */
function vectorBytes(elements: number, { kvBits, elementBytes }: MlxOptions, quantizes: boolean): number {
  if (kvBits === null || !quantizes) return elements * elementBytes;
  return (elements * kvBits) / 8 + (2 * elementBytes * elements) / KV_GROUP;
}

function latentElements(mixer: LatentMixer, traits: MlxTraits): readonly [number, number] {
  return traits.decompressedLatent
    ? [mixer.heads * (mixer.nopeDim + mixer.ropeDim), mixer.heads * mixer.valueDim]
    : [mixer.kvLoraRank, mixer.ropeDim];
}

interface CacheOfLayer {
  readonly cache: CacheKind;
  readonly bytesPerToken: number;
  readonly side: boolean;
}

const WHOLE: CacheKind = { kind: "whole", window: 0 };

/** The caches that one layer's make_cache and update_and_fetch come to. */
function cachesOf(layer: LayerSpec, options: MlxOptions, traits: MlxTraits): readonly CacheOfLayer[] {
  if (layer.kvSharedWith !== null) return [];
  const found: CacheOfLayer[] = [];
  for (const mixer of layer.mixers) {
    switch (mixer.kind) {
      case "state":
        break;
      case "latent": {
        const bytesPerToken = latentElements(mixer, traits).reduce((sum, n) => sum + vectorBytes(n, options, true), 0);
        found.push({ cache: WHOLE, bytesPerToken, side: false });
        break;
      }
      default: {
        const { window } = mixer;
        const cut = mixer.kind === "full" || window === null || traits.ignoresWindows;
        const cache: CacheKind = cut ? WHOLE : { kind: mixer.kind === "chunked" ? "chunked" : "rotating", window };
        const whole = cache.kind === "whole";
        const key = vectorBytes(mixer.kvHeads * mixer.headDimK, options, whole);
        const value = vectorBytes(mixer.kvHeads * mixer.headDimV, options, whole);
        found.push({ cache, bytesPerToken: key + value, side: false });
      }
    }
  }
  for (const { elementsPerCell } of layer.sideCaches) {
    // An indexer's keys are put into a cache of keys and values, once as each.
    const bytesPerToken = traits.sideOnce ? elementsPerCell : 2 * elementsPerCell;
    found.push({ cache: WHOLE, bytesPerToken: bytesPerToken * options.elementBytes, side: true });
  }
  return found;
}

/**
 * Bytes of one sequence's state of a recurrent mixer, an ArraysCache: the convolution's past in the activations' type,
 * the state itself in F32 where the recurrence is computed in it (gated delta, mamba 2, rwkv), else as the activations.
 * @source mlx-lm 0.32.2 mlx_lm/models/{gated_delta,ssm,mamba,rwkv7,lfm2}.py
 */
export function stateBytesOf(mixer: StateMixer, elementBytes: number): number {
  const inFloat32 = mixer.algorithm !== "mamba1" && mixer.algorithm !== "short-conv";
  return mixer.convElements * elementBytes + mixer.stateElements * (inFloat32 ? 4 : elementBytes);
}

export interface Prepared extends Layout {
  readonly model: ModelSpec;
  readonly module: string;
  readonly options: MlxOptions;
  readonly machine: Machine;
  /** All of it lies on the first: an accelerator, or the host where there is none. */
  readonly slots: readonly Device[];
}

const layouts = new WeakMap<ModelSpec, Map<string, Layout>>();

/** Kept per model and type of cache: a slider asks again and again. */
export function prepare(model: ModelSpec, module: string, options: MlxOptions, machine: Machine): Prepared {
  let ofModel = layouts.get(model);
  if (ofModel === undefined) {
    ofModel = new Map();
    layouts.set(model, ofModel);
  }
  const id = `${module} ${options.kvBits} ${options.elementBytes}`;
  let layout = ofModel.get(id);
  if (layout === undefined) {
    layout = layOut(model, module, options);
    ofModel.set(id, layout);
  }
  return { ...layout, model, module, options, machine, slots: [...machine.accelerators, machine.host] };
}

function layOut(model: ModelSpec, module: string, options: MlxOptions): Layout {
  const traits = traitsOf(module);
  const groups: { cache: CacheKind; bytesPerToken: number; bytesPerTokenOfOne: number; layers: number }[] = [];
  const byKind = new Map<string, number>();
  const layerStates = new Float64Array(model.layers.length);
  const layerCaches = model.layers.map((layer, i) => {
    for (const mixer of layer.mixers) {
      if (mixer.kind === "state") layerStates[i] = (layerStates[i] ?? 0) + stateBytesOf(mixer, options.elementBytes);
    }
    return cachesOf(layer, options, traits).map(({ cache, bytesPerToken, side }): LayerCache => {
      const id = `${cache.kind} ${cache.window}`;
      let group = byKind.get(id);
      if (group === undefined) {
        group = groups.push({ cache, bytesPerToken: 0, bytesPerTokenOfOne: 0, layers: 0 }) - 1;
        byKind.set(id, group);
      }
      const sum = groups[group];
      if (sum !== undefined) {
        sum.bytesPerToken += bytesPerToken;
        sum.bytesPerTokenOfOne = Math.max(sum.bytesPerTokenOfOne, bytesPerToken);
        sum.layers++;
      }
      return { group, bytesPerToken, side };
    });
  });
  return {
    sizes: sizesOf(model),
    groups,
    layerCaches,
    layerStates,
    stateBytes: layerStates.reduce((a, b) => a + b, 0),
    compute: computeTraits(model, module),
    heads: model.layers.reduce(
      (most, { mixers }) => mixers.reduce((heads, m) => (m.kind === "state" ? heads : Math.max(heads, m.heads)), most),
      0,
    ),
  };
}
