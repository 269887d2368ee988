import type { ModelSpec, ParameterCount, TensorSpec } from "../model.ts";
import { tensorKind } from "./formats/tensor-kind.ts";

function elements({ shape }: TensorSpec): number {
  return shape.reduce((product, n) => product * n, 1);
}

/**
 * Parameters of the layers that compute every token and of what stands outside them; MTP blocks are not counted, as the
 * makers' own numbers leave them out, nor are tables that the converter to GGUF makes of numbers in the config (rope_freqs).
 *   active = total - embedding (+ embedding when it is the head too) - experts · (1 - used / all) per layer
 */
export function countParameters(spec: ModelSpec): ParameterCount {
  let total = 0;
  let active = 0;
  let embedding = 0;
  for (const tensor of spec.outside) {
    if (tensorKind(tensor) === "gguf-only") continue;
    const n = elements(tensor);
    total += n;
    if (tensor.role === "embedding") {
      embedding += n;
      if (spec.tiedEmbeddings && tensor.name === "token_embd.weight") active += n;
    } else {
      active += n;
    }
  }
  for (const { tensors, feedForward } of spec.layers) {
    for (const tensor of tensors) {
      if (tensorKind(tensor) === "gguf-only") continue;
      const n = elements(tensor);
      total += n;
      active +=
        tensor.role === "expert" && feedForward.kind === "moe"
          ? (n * feedForward.expertsUsed) / feedForward.experts
          : n;
    }
  }
  return { total, active: Math.round(active), embedding };
}
