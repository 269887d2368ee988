import type { TensorSpec } from "../model.ts";

/** Which device a tensor outside the layers goes to: system memory, the first or the output layer's, or every device that has a layer. */
export type OutsidePlace = "input" | "first-layer" | "output" | "with-layers";

const FIRST_LAYER = /^per_layer_(model_proj|proj_norm)\./;

/**
 * Embeddings stay with the input, in system memory; what makes layers' parts of them follows the first layer; rope factors
 * are created anew on each device that has a layer; all else belongs to the output layer.
 * @source llama.cpp src/llama-arch.cpp (layer of each tensor), src/llama-model-loader.cpp#L1109-1200@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export function outsidePlace(tensor: TensorSpec): OutsidePlace {
  if (tensor.role === "embedding") return "input";
  if (/^rope_(freqs|factors)/.test(tensor.name)) return "with-layers";
  return FIRST_LAYER.test(tensor.name) ? "first-layer" : "output";
}
