/** A header from metadata alone, keys without the architecture's prefix, and from the tensors of a computed spec. */
import type { GgufHeader, MetadataValue } from "../../../src/math/arch/family.ts";
import type { TensorSpec } from "../../../src/math/model.ts";

export function headerOf(
  architecture: string,
  fields: Readonly<Record<string, MetadataValue>>,
  tensors: readonly Pick<TensorSpec, "name" | "shape">[] = [],
): GgufHeader {
  return {
    architecture,
    metadata: new Map(Object.entries(fields).map(([key, value]) => [`${architecture}.${key}`, value])),
    arrayLengths: new Map(),
    tensors: tensors.map(({ name, shape }) => ({ name, shape, type: "F16", shard: 0, offset: 0 })),
  };
}
