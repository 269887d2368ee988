import type { Device } from "../../machine.ts";
import type { LayerSpec, ModelSpec } from "../../model.ts";
import { isQuantized } from "../../ggml-types.ts";
import { type CacheShape, type ComputeBuffers, HOST, type LlamaCppOptions, type Placement } from "./types.ts";

export interface ComputeSizes {
  /** Bytes of the head's weight, for op offload's copies. */
  readonly outputBytes: number;
  /** Bytes of the largest expert tensor of one layer. */
  readonly expertTensorBytes: number;
}

export interface ComputeTerm {
  readonly name: string;
  readonly formula: string;
  readonly bytes: number;
}

export interface ComputeExplanation {
  readonly phase: "attention" | "feed-forward" | "state" | "logits" | "none";
  readonly terms: readonly ComputeTerm[];
}

/** Floats per token that a layer's widest phases keep alive; heads multiplies the cells when attention writes its scores. */
interface LayerPhases {
  readonly feedForward: number;
  readonly attention: number;
  readonly heads: number;
  readonly window: number | null;
  readonly state: number;
  readonly kvWidth: number;
}

function phasesOf(model: ModelSpec, layer: LayerSpec): LayerPhases {
  const E = model.embeddingLength;
  let Q = 0;
  let attention = 0;
  let heads = 0;
  let window: number | null = null;
  let state = 0;
  let kvWidth = 0;
  let latent = false;
  let fused = false;
  for (const mixer of layer.mixers) {
    if (mixer.kind === "state") {
      state = 2 * E + (mixer.algorithm === "gated-delta" ? 3 * (mixer.convElements / (mixer.convKernel - 1)) : 3 * mixer.innerSize);
    } else if (mixer.kind === "latent") {
      latent = true;
      heads = mixer.heads;
      const row = mixer.kvLoraRank + mixer.ropeDim;
      attention = 2 * heads * row + heads * (mixer.nopeDim + mixer.ropeDim) + 3 * E;
      kvWidth = row;
    } else {
      heads = mixer.heads;
      Q = heads * mixer.headDimK;
      const K = mixer.kvHeads * mixer.headDimK;
      fused = mixer.fusedQkv;
      attention = fused ? 4 * E : 2 * E + 2 * Q + 2 * K + (mixer.scaledQuery || mixer.gated ? Q : 0);
      window = mixer.window;
      kvWidth = mixer.kvHeads * (mixer.headDimK + mixer.headDimV);
    }
  }
  let feedForward = 0;
  const ff = layer.feedForward;
  if (ff.kind === "dense") feedForward = 3 * ff.width + 2 * E + (fused || state > 0 || latent ? 0 : Q);
  if (ff.kind === "moe") {
    const wide = ff.expertsUsed * ff.expertWidth;
    const copies = latent || wide > Q ? 3 : 2;
    feedForward = 2 * E + (latent ? 3 * ff.experts : Q) + copies * wide + (2 * wide < ff.expertsUsed * E ? ff.expertsUsed * E : 0);
  }
  return { feedForward, attention, heads, window, state, kvWidth };
}

const phaseCache = new WeakMap<ModelSpec, readonly LayerPhases[]>();

function phases(model: ModelSpec): readonly LayerPhases[] {
  const known = phaseCache.get(model);
  if (known !== undefined) return known;
  const made = model.layers.map((layer) => phasesOf(model, layer));
  phaseCache.set(model, made);
  return made;
}

/**
 * llama.cpp's compute buffers by device: the largest of the phases of one step of T tokens.
 *   feed-forward: 4T·(3F + 2E + Q) + masks; experts 4T·(2E + Q + g·U·FX + …)
 *   attention:    4T·(2E + 2Q + 2K [+ H·n_kv without flash attention]) + masks
 *   logits:       4·n_out·(V + E)
 *   host:         2·4T·E + masks
 * @source src/llama-graph.cpp, ggml/src/ggml-alloc.c at llama.cpp v0.5.0
 */
export function computeBuffers(
  model: ModelSpec,
  options: LlamaCppOptions,
  caches: CacheShape,
  placement: Placement,
  accelerators: readonly Device[],
  sizes: ComputeSizes,
): ComputeBuffers {
  const E = model.embeddingLength;
  const T = caches.stepTokens;
  const f = 4 * T;
  const outputs = Math.min(T, options.outputs);
  const layerPhases = phases(model);
  const perMask = options.flashAttention ? 2 : 4;
  let masks = 0;
  let window = -1;
  let scatter = 0;
  for (const layer of layerPhases) {
    if (layer.kvWidth === 0) continue;
    const w = layer.window ?? 0;
    if (w === window || (w === 0 && window === 0)) continue;
    masks += perMask * T * (w === 0 ? caches.cells : caches.windowCells(w));
    window = w;
    scatter = options.flashAttention ? 0 : (layer.kvWidth / 2) * T * 8;
    if (masks > 0 && window > 0 && layerPhases.every((l) => l.window !== null || l.kvWidth === 0)) break;
  }
  const quantizedKv = isQuantized(options.kvTypeK) || isQuantized(options.kvTypeV);
  const copies = placement.pipelined ? 4 : 1;
  const embeddings = placement.pipelined ? 4 * E * f : 0;
  const alone = accelerators.length === 0;
  const size = (device: number): number => {
    let best = 0;
    for (let i = 0; i < layerPhases.length; i++) {
      const layer = layerPhases[i];
      if (layer === undefined || (placement.layerDevice[i] !== device && !alone)) continue;
      const cells = layer.window === null ? caches.cells : caches.windowCells(layer.window);
      const quantized = options.flashAttention && quantizedKv && !alone ? 2 * cells * layer.kvWidth : 0;
      const attention = f * (layer.attention + (options.flashAttention ? 0 : layer.heads * cells)) + quantized;
      const copied = placement.expertsOnHost[i] === 1 ? sizes.expertTensorBytes : 0;
      best = Math.max(best, attention, f * layer.feedForward + copied, f * layer.state);
    }
    best += masks * copies + embeddings;
    if (placement.outputDevice === device || alone) {
      best = Math.max(best, 4 * outputs * (model.vocabularySize + E) + (placement.pipelined ? masks * copies + embeddings : 0));
    } else if (device === 0 && placement.outputDevice === HOST) {
      best = Math.max(best, 4 * outputs * (model.vocabularySize + E) + sizes.outputBytes);
    }
    return best;
  };
  const devices = accelerators.map((_, i) => size(i));
  const host = alone ? size(HOST) + f * E : 2 * f * E + masks * copies + scatter;
  return { devices, host };
}
