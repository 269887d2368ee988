/** A model's weights as PyTorch engines hold them: merged matrices, cut for tensor parallelism, each allocated by itself. */
import type { LayerSpec, ModelSpec, TensorSpec } from "../../model.ts";
import { formatOf, sizesOf, type WeightFormat } from "../../parts/formats/index.ts";
import { allocatedBytes } from "./allocator.ts";
import { shareOf } from "./share.ts";

/** Bytes on one rank; layers are indexed like the model's. */
export interface RankWeights {
  readonly layers: Float64Array;
  readonly outside: readonly { readonly name: string; readonly bytes: number }[];
}

/** Matrices that are made one on loading, by the end of their names; the same answer means the same matrix. */
const MERGED: readonly (readonly [RegExp, string])[] = [
  [/\.attn_(?:q|k|v)\.(weight|bias)$/, "qkv"],
  [/\.attn_(?:qkv|gate)\.(weight|bias)$/, "qkvz"],
  [/\.ffn_(?:gate|up)\.(weight|bias)$/, "gate_up"],
  [/\.ffn_(?:gate|up)_exps\.(weight|bias)$/, "w13"],
  [/\.ffn_(?:gate|up)_shexp\.(weight|bias)$/, "shared_gate_up"],
  [/\.attn_(?:q_a|kv_a_mqa)\.(weight|bias)$/, "qkv_a"],
  [/\.attn_(?:k|v)_b\.(weight|bias)$/, "kv_b"],
  [/\.ssm_(?:alpha|beta)\.(weight|bias)$/, "ba"],
];

/** How a tensor's bytes become an engine's, where a kernel wants another shape than the file's. */
export type Reshape = (tensor: TensorSpec, layer: LayerSpec | null, bytes: number) => number;
const AS_STORED: Reshape = (_tensor, _layer, bytes) => bytes;

const kept = new WeakMap<ModelSpec, Map<string, RankWeights>>();

/**
 * Σ over merged matrices of allocatedBytes(Σ bytes × share). Kept per model, ranks and `reshapeId`.
 * @param ranks tensor-parallel ranks
 * @param reshape with a name of its own, so that what it made is found again
 * @throws {RangeError} when no weight format was chosen
 * @source vLLM v0.33.0 stacked_params_mapping of vllm/model_executor/models/*.py; the same merges in SGLang and TGI
 */
export function rankWeights(
  model: ModelSpec,
  ranks: number,
  reshape: { readonly id: string; readonly of: Reshape } = { id: "", of: AS_STORED },
): RankWeights {
  let ofModel = kept.get(model);
  if (ofModel === undefined) {
    ofModel = new Map();
    kept.set(model, ofModel);
  }
  const key = `${ranks} ${reshape.id}`;
  let weights = ofModel.get(key);
  if (weights === undefined) {
    weights = measure(model, ranks, reshape.of);
    ofModel.set(key, weights);
  }
  return weights;
}

function measure(model: ModelSpec, ranks: number, reshape: Reshape): RankWeights {
  const format = formatOf(model);
  const { layers: whole, outside: stored, aside } = sizesOf(model);
  const read = model.weights?.checkpoint?.table != null;
  return {
    layers: Float64Array.from(model.layers, (layer, i) => {
      if (!read) return layerBytes(model, layer, format, ranks, reshape);
      // The files' own table says how much a layer holds; how it is merged and shared is computed.
      const computed = layer.tensors.reduce((sum, tensor) => sum + format.bytes(tensor, { model, layer }), 0);
      const told = computed === 0 ? 1 : (whole[i] ?? computed) / computed;
      return Math.ceil(layerBytes(model, layer, format, ranks, reshape) * told);
    }),
    outside: [
      ...stored.map(({ name, bytes }) => ({
        name,
        bytes: allocatedBytes(Math.ceil(bytes * outsideShare(model, name, ranks))),
      })),
      // A tower's matrices are many and not known one by one.
      ...aside,
    ],
  };
}

function outsideShare(model: ModelSpec, name: string, ranks: number): number {
  const tensor = model.outside.find((one) => one.name === name);
  return tensor === undefined ? 1 : shareOf(tensor, null, ranks);
}

function layerBytes(model: ModelSpec, layer: LayerSpec, format: WeightFormat, ranks: number, reshape: Reshape): number {
  const matrices = new Map<string, number>();
  for (const tensor of layer.tensors) {
    const whole = reshape(tensor, layer, format.bytes(tensor, { model, layer }));
    const name = mergedName(tensor.name);
    matrices.set(name, (matrices.get(name) ?? 0) + whole * shareOf(tensor, layer, ranks));
  }
  let bytes = 0;
  for (const matrix of matrices.values()) bytes += allocatedBytes(Math.ceil(matrix));
  return bytes;
}

function mergedName(name: string): string {
  for (const [pattern, merged] of MERGED) {
    const match = pattern.exec(name);
    if (match !== null) return `${merged}.${match[1]}`;
  }
  return name;
}

/**
 * Tables of the rotary embedding: trained context x rotated elements x 2 B, one for each width of head that is turned.
 * @source vLLM v0.33.0 vllm/model_executor/layers/rotary_embedding/base.py _compute_cos_sin_cache
 */
export function rotaryBytes(model: ModelSpec): number {
  const widths = new Set<number>();
  for (const { mixers } of model.layers) {
    for (const mixer of mixers) {
      if (mixer.kind === "latent") widths.add(mixer.ropeDim);
      else if (mixer.kind !== "state" && mixer.rotary) widths.add(mixer.headDimK);
    }
  }
  let bytes = 0;
  for (const width of widths) bytes += allocatedBytes((model.contextTrained ?? 0) * width * 2);
  return bytes;
}
