import type { ModelSpec } from "../model.ts";
import { pad } from "../units.ts";
import { FILE_ALIGNMENT, fileLayout } from "./file-layout.ts";

/**
 * Bytes of metadata per vocabulary entry in a file that does not exist yet: the token, its type or score, its share of
 * the merges. Unit: bytes; range 23 (a sentencepiece vocabulary: 8 + about 7 for the token, 4 for the score, 4 for the
 * type) to 60 (two merges of 8 + about 9 per token besides); not fitted. Off by at most 37 x 256,000 = 9.5 MB.
 */
const METADATA_PER_TOKEN = 40;

/** magic, version, number of tensors, number of key-values */
const HEADER_BYTES = 24;

/** Dimensions as ggml counts them: trailing ones are none. */
function dimensions(shape: readonly number[]): number {
  const last = shape.findLastIndex((n) => n > 1);
  return Math.max(1, last + 1);
}

/**
 * Size of the one file that llama-quantize would write.
 *   pad(24 + metadata + Σ (8 + name + 4 + 8 · dims + 4 + 8), 32) + Σ pad(nbytes, 32)
 * @param metadataBytes  all key-values, the tokenizer included; null estimates them from the vocabulary
 * @throws {RangeError} as fileLayout
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) ggml/src/gguf.cpp#L1634, gguf_write_out
 */
export function fileBytes(spec: ModelSpec, metadataBytes: number | null = null): number {
  let header = HEADER_BYTES + (metadataBytes ?? METADATA_PER_TOKEN * spec.vocabularySize);
  let data = 0;
  for (const { tensor, bytes } of fileLayout(spec)) {
    header += 8 + tensor.name.length + 4 + 8 * dimensions(tensor.shape) + 4 + 8;
    data += pad(bytes, FILE_ALIGNMENT);
  }
  return pad(header, FILE_ALIGNMENT) + data;
}
