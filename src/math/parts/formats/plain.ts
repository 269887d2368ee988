/** Formats without quantisation: every tensor in one floating-point type. */
import type { WeightFormat } from "./format.ts";
import { elementsOf } from "./recipe.ts";
import { tensorKind } from "./tensor-kind.ts";

const FLOATS: ReadonlyMap<string, number> = new Map([
  ["bf16", 2],
  ["f16", 2],
  ["f32", 4],
]);

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
  return null;
}
