/** Formats without blocks: every tensor in one floating-point type; and FP8, matrices alone in 8 bits. */
import type { TensorSpec } from "../../model.ts";
import type { WeightFormat } from "./format.ts";
import { tensorKind } from "./tensor-kind.ts";

const FLOATS: ReadonlyMap<string, number> = new Map([
  ["bf16", 2],
  ["f16", 2],
  ["f32", 4],
]);

export function elementsOf({ shape }: TensorSpec): number {
  return shape.reduce((product, n) => product * n, 1);
}

export function parsePlain(id: string): WeightFormat | null {
  const bytesEach = FLOATS.get(id);
  if (bytesEach !== undefined) {
    return {
      id,
      method: "plain",
      basis: "exact",
      bytes: (tensor) => (tensorKind(tensor) === "gguf-only" ? 0 : bytesEach * elementsOf(tensor)),
    };
  }
  return id === "fp8" ? FP8 : null;
}

const FP8: WeightFormat = {
  id: "fp8",
  method: "fp8",
  basis: "modelled",
  bytes: (tensor) => {
    const kind = tensorKind(tensor);
    if (kind === "gguf-only") return 0;
    return (kind === "linear" || kind === "expert" ? 1 : 2) * elementsOf(tensor);
  },
};
