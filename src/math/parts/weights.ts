import { isQuantized, rowBytes, tensorBytes } from "../ggml-types.ts";
import type { LayerSpec, ModelSpec, TensorSpec } from "../model.ts";
import { pad } from "../units.ts";
import { outsidePlace } from "./weights-place.ts";

/** How one kind of buffer lays tensors out. */
export interface AllocationRule {
  /** Bytes; each tensor begins at a multiple. */
  readonly alignment: number;
  /** Elements; a quantized tensor whose rows are no multiple gets the rest of one row more. 1 = no such padding. */
  readonly quantizedRowMultiple: number;
}

/** Σ nbytes, as llama.cpp prints "file size". */
export const EXACT: AllocationRule = { alignment: 1, quantizedRowMultiple: 1 };

/** Bytes by what travels together. Every array is indexed like the model's layers. */
export interface WeightSizes {
  /** All tensors of a layer, its routed experts included. */
  readonly layers: Float64Array;
  /** A layer's routed experts alone. */
  readonly experts: Float64Array;
  /** All tensors of an MTP block. */
  readonly mtp: Float64Array;
  /** Read by row on the way in: always in system memory. */
  readonly embedding: number;
  /** Output norm and head. A tied head is the embedding created a second time, and counts here. */
  readonly output: number;
  /** Tables that every layer reads (rope factors): once on each device that has a layer. */
  readonly other: number;
  /** Every tensor once, MTP blocks included: what a file has. */
  readonly total: number;
}

/**
 * Bytes that one tensor takes in a buffer: pad(nbytes + row padding, alignment).
 *   row padding = rowBytes(m - ne0 mod m), once per tensor, when it is quantized and ne0 mod m ≠ 0 (m = 512 on CUDA and ROCm)
 * @throws {RangeError} when the tensor has no type, or its rows are no whole number of blocks (checkTyped says so as data)
 * @source llama.cpp ggml/src/ggml-cuda/ggml-cuda.cu#L900-922, ggml/src/ggml-alloc.c@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export function allocatedBytes(tensor: TensorSpec, rule: AllocationRule): number {
  const { type, shape, name } = tensor;
  if (type === null)
    throw new RangeError(`Cannot size "${name}": it has no type; give the model a weights choice first`);
  const rest = (shape[0] ?? 1) % rule.quantizedRowMultiple;
  const padding = rest !== 0 && isQuantized(type) ? rowBytes(type, rule.quantizedRowMultiple - rest) : 0;
  return pad(tensorBytes(type, shape) + padding, rule.alignment);
}

const known = new WeakMap<ModelSpec, Map<string, WeightSizes>>();

/**
 * Bytes of a typed model's weights in one kind of buffer; every tensor of the model is taken as if it lay there.
 * Kept per model and rule, so that asking again costs nothing.
 * @throws {RangeError} as allocatedBytes
 */
export function sizeWeights(spec: ModelSpec, rule: AllocationRule): WeightSizes {
  let ofSpec = known.get(spec);
  if (ofSpec === undefined) {
    ofSpec = new Map();
    known.set(spec, ofSpec);
  }
  const key = `${rule.alignment} ${rule.quantizedRowMultiple}`;
  let sizes = ofSpec.get(key);
  if (sizes === undefined) {
    sizes = measure(spec, rule);
    ofSpec.set(key, sizes);
  }
  return sizes;
}

function measure(spec: ModelSpec, rule: AllocationRule): WeightSizes {
  const layers = Float64Array.from(spec.layers, (layer) => layerBytes(layer, rule));
  const experts = Float64Array.from(spec.layers, (layer) =>
    sum(
      layer.tensors.filter(({ role }) => role === "expert"),
      rule,
    ),
  );
  const mtp = Float64Array.from(spec.mtpLayers, (layer) => layerBytes(layer, rule));

  let embedding = 0;
  let output = 0;
  let other = 0;
  let total = 0;
  for (const tensor of spec.outside) {
    const bytes = allocatedBytes(tensor, rule);
    total += bytes;
    const place = outsidePlace(tensor);
    if (place === "input") embedding += bytes;
    else if (place === "output") output += bytes;
    else other += bytes;
    if (spec.tiedEmbeddings && tensor.name === "token_embd.weight") output += bytes;
  }
  for (const bytes of layers) total += bytes;
  for (const bytes of mtp) total += bytes;
  return { layers, experts, mtp, embedding, output, other, total };
}

function layerBytes(layer: LayerSpec, rule: AllocationRule): number {
  return sum(layer.tensors, rule);
}

function sum(tensors: readonly TensorSpec[], rule: AllocationRule): number {
  let bytes = 0;
  for (const tensor of tensors) bytes += allocatedBytes(tensor, rule);
  return bytes;
}
