/** Copies of tensors on a device that is not their own. */
import { tensorBytes } from "../../../ggml-types.ts";
import type { LayerSpec, TensorSpec } from "../../../model.ts";
import { type BufferRule, rowPadding } from "./backends.ts";
import { type GraphNode, isView, type Row, rootOf, type Size, type Source, sizeOf } from "./graph.ts";

export interface Copy {
  /** Number of the tensor that is copied, whole or as a view. */
  readonly from: number;
  readonly source: Source;
  /** Of the part that asked for it; null: of none. */
  readonly layer: LayerSpec | null;
  readonly device: number;
}

/** Bytes of the copy: a last quantized row is filled up as the device wants it. */
export function copySize({ source, layer }: Copy, rule: BufferRule | undefined): Size {
  const root = rootOf(source);
  const tensor = root.weight ? tensorOf(root, layer) : null;
  const bytes = tensor === null ? root.size : sizeOf(tensorBytes(tensor.type ?? "F16", tensor.shape), []);
  const size = isView(source) ? (source.size ?? bytes) : bytes;
  const row = isView(source) ? source.row : rowOf(tensor);
  const padding = row === null || rule === undefined ? 0 : rowPadding(row.type, row.elements, rule);
  return padding === 0 ? size : { ...size, fixed: size.fixed + padding };
}

function rowOf(tensor: TensorSpec | null): Row | null {
  return tensor === null ? null : { type: tensor.type ?? "F16", elements: tensor.shape[0] ?? 1 };
}

/** The part may have been built from another layer than the one it stands for here. */
function tensorOf(weight: GraphNode, layer: LayerSpec | null): TensorSpec | null {
  return (layer === null ? undefined : tensorsOf(layer).get(weight.name)) ?? weight.tensor;
}

const byLayer = new WeakMap<LayerSpec, ReadonlyMap<string, TensorSpec>>();

/** A layer's tensors by their names in the layer. */
export function tensorsOf(layer: LayerSpec): ReadonlyMap<string, TensorSpec> {
  const known = byLayer.get(layer);
  if (known !== undefined) return known;
  const prefix = `blk.${layer.index}.`;
  const made = new Map<string, TensorSpec>();
  for (const tensor of layer.tensors) {
    made.set(tensor.name.startsWith(prefix) ? tensor.name.slice(prefix.length) : tensor.name, tensor);
  }
  byLayer.set(layer, made);
  return made;
}
