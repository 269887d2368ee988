/** From which matrix gets which layout to a format. */
import type { TensorSpec } from "../../model.ts";
import type { FormatMethod, TensorPlace, WeightFormat } from "./format.ts";
import { matricesOf, type Scheme, schemeBytes } from "./scheme.ts";
import { type TensorKind, tensorKind } from "./tensor-kind.ts";

export interface Recipe {
  readonly id: string;
  readonly method: FormatMethod;
  readonly basis: WeightFormat["basis"];
  /** Bytes of one element that is not quantised. */
  readonly floatBytes: number;
  /** Layouts of a matrix, the first whose rows fit; none: it stays as it is. */
  readonly schemesOf: (kind: TensorKind, tensor: TensorSpec, at: TensorPlace) => readonly Scheme[];
  /** Of a head that is the embedding again, where the tool stores it on its own. */
  readonly tiedHead?: Scheme;
}

export function elementsOf({ shape }: TensorSpec): number {
  return shape.reduce((product, n) => product * n, 1);
}

export function formatOfRecipe({ id, method, basis, floatBytes, schemesOf, tiedHead }: Recipe): WeightFormat {
  const tied = tiedHead;
  return {
    id,
    method,
    basis,
    bytes(tensor, at) {
      const kind = tensorKind(tensor);
      if (kind === "gguf-only") return 0;
      if (kind !== "vector") {
        const matrices = matricesOf(tensor);
        for (const scheme of schemesOf(kind, tensor, at)) {
          const bytes = schemeBytes(scheme, matrices);
          if (bytes !== null) return bytes;
        }
      }
      return floatBytes * elementsOf(tensor);
    },
    ...(tied === undefined ? {} : { tiedHeadBytes: (tensor) => schemeBytes(tied, matricesOf(tensor)) ?? 0 }),
  };
}
