/**
 * Tensors that llama.cpp's graph has but nothing computes: ggml gives them their memory before the first node, all layers'
 * at once. Sparse attention beside latent attention has one in each layer: zeros, as many as cells are chosen.
 * A layer gives its own back when it is done, and holes may take what comes later: this is the most that they add.
 * @source src/llama-graph.cpp build_attn (DSA), ggml/src/ggml-alloc.c ggml_gallocr_alloc_graph_impl at llama.cpp v0.5.0
 */
import type { ModelSpec, SideCache } from "../../../model.ts";
import { type CacheShape, type ComputeBuffers, HOST, type Placement } from "../types.ts";

const indexers = new WeakMap<ModelSpec, SideCache | null>();

/** The first side cache of the model; undefined: it has none. */
function indexerOf(model: ModelSpec): SideCache | undefined {
  let known = indexers.get(model);
  if (known === undefined) {
    known = model.layers.find(({ sideCaches }) => sideCaches.length > 0)?.sideCaches[0] ?? null;
    indexers.set(model, known);
  }
  return known ?? undefined;
}

/** Bytes by device, layers on the host at the first accelerator, which takes over for them: layers there x 4 x min(chosen, cells) x T; null: the model has none. */
export function earlyLeaves(
  model: ModelSpec,
  caches: CacheShape,
  placement: Placement,
  accelerators: number,
): ComputeBuffers | null {
  const indexer = indexerOf(model);
  if (indexer === undefined || indexer.blockCells > 1) return null;
  const each = 4 * Math.min(indexer.chosen, caches.cells) * caches.stepTokens;
  const devices: number[] = [];
  let host = 0;
  for (const layer of model.layers) {
    if (!layer.mixers.some(({ kind }) => kind === "latent")) continue;
    const own = placement.layerDevice[layer.index] ?? HOST;
    const device = own === HOST && accelerators > 0 ? 0 : own;
    if (device === HOST) host += each;
    else devices[device] = (devices[device] ?? 0) + each;
  }
  return { devices: Array.from(devices, (bytes) => bytes ?? 0), host };
}

export function withEarlyLeaves(
  buffers: ComputeBuffers,
  model: ModelSpec,
  caches: CacheShape,
  placement: Placement,
): ComputeBuffers {
  const early = earlyLeaves(model, caches, placement, buffers.devices.length);
  if (early === null) return buffers;
  return {
    devices: buffers.devices.map((bytes, i) => bytes + (early.devices[i] ?? 0)),
    host: buffers.host + early.host,
  };
}
