import type { TensorSpec } from "../model.ts";

/** Which device a tensor outside the layers goes to: system memory, the output layer's, or every device that has a layer. */
export type OutsidePlace = "input" | "output" | "with-layers";

/**
 * Embeddings stay with the input, in system memory; rope factors are created anew on each device that has a layer; all
 * else belongs to the output layer. (The norm of the embeddings, which no family here has, follows the first layer.)
 * @source llama.cpp src/llama-arch.cpp (layer of each tensor), src/llama-model-loader.cpp#L1109-1200@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export function outsidePlace(tensor: TensorSpec): OutsidePlace {
  if (tensor.role === "embedding") return "input";
  if (/^rope_(freqs|factors)/.test(tensor.name)) return "with-layers";
  return "output";
}
