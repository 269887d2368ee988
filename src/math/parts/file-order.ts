import { layerOf as blockOf } from "../arch/roles.ts";
import type { ModelSpec, TensorSpec } from "../model.ts";
import { tensorsOf } from "./weights-check.ts";

/** The layer in a tensor's name (`blk.7.…`), -1 outside the layers. */
export function layerOf(name: string): number {
  return blockOf(name) ?? -1;
}

/**
 * The order in which llama-quantize reads and writes: tensors outside the layers by name, then layer by layer, each by name.
 * A file that was converted but not quantized keeps the converter's order, which its offsets tell.
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) src/llama-model-loader.h#L54, weight_name_comparer
 */
export function inFileOrder(spec: ModelSpec): readonly TensorSpec[] {
  const placed = [...tensorsOf(spec)].map((tensor) => ({ tensor, layer: layerOf(tensor.name) }));
  placed.sort(
    (a, b) => a.layer - b.layer || (a.tensor.name < b.tensor.name ? -1 : a.tensor.name > b.tensor.name ? 1 : 0),
  );
  return placed.map(({ tensor }) => tensor);
}
