/** A GGUF model's header as JSON, to be kept: some hundred kB for the 10 MB that were read to get it. */
import { z } from "zod";
import type { GgufModel } from "./read-model.ts";

const SCHEMA = "hwledger.gguf-header/1";
const COUNT = z.number().int().nonnegative().safe();
const VALUE = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  z.array(z.string()),
  z.array(z.number()),
  z.array(z.boolean()),
]);
const KEPT = z.object({
  schema: z.literal(SCHEMA),
  architecture: z.string(),
  metadata: z.array(z.tuple([z.string(), VALUE])),
  array_lengths: z.array(z.tuple([z.string(), COUNT])),
  tensors: z.array(z.tuple([z.string(), z.array(COUNT), z.string(), COUNT, COUNT])),
  file_bytes: COUNT,
  header_bytes: COUNT,
  shards: z.array(z.string()).min(1),
});

/** null when JSON cannot hold it (a NaN among the values). */
export function headerToJson({ header, fileBytes, headerBytes, shards }: GgufModel): string | null {
  const metadata = [...header.metadata];
  const isPlain = (value: unknown): boolean =>
    Array.isArray(value) ? value.every(isPlain) : typeof value !== "number" || Number.isFinite(value);
  if (!metadata.every(([, value]) => isPlain(value))) return null;
  return JSON.stringify({
    schema: SCHEMA,
    architecture: header.architecture,
    metadata,
    array_lengths: [...header.arrayLengths],
    tensors: header.tensors.map(({ name, shape, type, shard, offset }) => [name, shape, type, shard, offset]),
    file_bytes: fileBytes,
    header_bytes: headerBytes,
    shards,
  });
}

/** null when it is not what this version writes. Nothing was fetched for it. */
export function headerFromJson(text: string): GgufModel | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const result = KEPT.safeParse(value);
  if (!result.success) return null;
  const { architecture, metadata, array_lengths, tensors, file_bytes, header_bytes, shards } = result.data;
  return {
    header: {
      architecture,
      metadata: new Map(metadata),
      arrayLengths: new Map(array_lengths),
      tensors: tensors.map(([name, shape, type, shard, offset]) => ({ name, shape, type, shard, offset })),
    },
    fileBytes: file_bytes,
    headerBytes: header_bytes,
    fetchedBytes: 0,
    shards,
  };
}
