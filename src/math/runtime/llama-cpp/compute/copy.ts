/** Copies of tensors on a device that is not their own. */
import { tensorBytes } from "../../../ggml-types.ts";
import type { LayerSpec, TensorSpec } from "../../../model.ts";
import { type BufferRule, rowPadding } from "./backends.ts";
import { type GraphNode, isView, type Row, rootOf, type Size, type Source, sizeOf } from "./graph.ts";
import type { Part } from "./part.ts";
import type { SizeTable } from "./sizes.ts";

export interface Copy {
  /** Number of the tensor that is copied, whole or as a view. */
  readonly from: number;
  readonly part: Part;
  /** Which of the part's sources asks for it. */
  readonly source: number;
  /** Number of the site that asks for it. */
  readonly site: number;
  /** Of the part that asked for it; null: of none. */
  readonly layer: LayerSpec | null;
  readonly device: number;
}

/**
 * Number of the copy's size in the step's table. Kept with the part, since a weight's type differs from layer to layer, and
 * every new placement asks for the same ones.
 */
export function copySizeNumber(copy: Copy, rule: BufferRule | undefined, sizes: SizeTable): number {
  const { part, source, layer } = copy;
  const padded = rule === undefined || rule.quantizedRowMultiple === 1 ? 0 : rule.quantizedRowMultiple;
  let known = part.copySizes.get(padded);
  if (known === undefined) {
    known = new Map();
    part.copySizes.set(padded, known);
  }
  const key = ((layer?.index ?? -1) + 1) * part.sources.length + source;
  let number = known.get(key);
  if (number === undefined) {
    number = sizes.indexOf(copySize(part.sources[source], layer, rule));
    known.set(key, number);
  }
  return number;
}

/** Bytes of the copy: a last quantized row is filled up as the device wants it. */
function copySize(source: Source | undefined, layer: LayerSpec | null, rule: BufferRule | undefined): Size {
  if (source === undefined) return NOTHING;
  const root = rootOf(source);
  const tensor = root.weight ? tensorOf(root, layer) : null;
  const bytes = tensor === null ? root.size : sizeOf(tensorBytes(tensor.type ?? "F16", tensor.shape), []);
  const size = isView(source) ? (source.size ?? bytes) : bytes;
  const row = isView(source) ? source.row : rowOf(tensor);
  const padding = row === null || rule === undefined ? 0 : rowPadding(row.type, row.elements, rule);
  return padding === 0 ? size : { ...size, fixed: size.fixed + padding };
}

const NOTHING: Size = { fixed: 0, full: 0, window: 0 };

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
