/**
 * ggml's tensor types: bytes of one block and elements in it.
 * @source llama.cpp ggml/src/ggml-common.h and ggml/include/ggml.h@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export const GGML_TYPES = {
  F32: { id: 0, blockBytes: 4, blockElements: 1 },
  F16: { id: 1, blockBytes: 2, blockElements: 1 },
  Q4_0: { id: 2, blockBytes: 18, blockElements: 32 },
  Q4_1: { id: 3, blockBytes: 20, blockElements: 32 },
  Q5_0: { id: 6, blockBytes: 22, blockElements: 32 },
  Q5_1: { id: 7, blockBytes: 24, blockElements: 32 },
  Q8_0: { id: 8, blockBytes: 34, blockElements: 32 },
  Q8_1: { id: 9, blockBytes: 36, blockElements: 32 },
  Q2_K: { id: 10, blockBytes: 84, blockElements: 256 },
  Q3_K: { id: 11, blockBytes: 110, blockElements: 256 },
  Q4_K: { id: 12, blockBytes: 144, blockElements: 256 },
  Q5_K: { id: 13, blockBytes: 176, blockElements: 256 },
  Q6_K: { id: 14, blockBytes: 210, blockElements: 256 },
  Q8_K: { id: 15, blockBytes: 292, blockElements: 256 },
  IQ2_XXS: { id: 16, blockBytes: 66, blockElements: 256 },
  IQ2_XS: { id: 17, blockBytes: 74, blockElements: 256 },
  IQ3_XXS: { id: 18, blockBytes: 98, blockElements: 256 },
  IQ1_S: { id: 19, blockBytes: 50, blockElements: 256 },
  IQ4_NL: { id: 20, blockBytes: 18, blockElements: 32 },
  IQ3_S: { id: 21, blockBytes: 110, blockElements: 256 },
  IQ2_S: { id: 22, blockBytes: 82, blockElements: 256 },
  IQ4_XS: { id: 23, blockBytes: 136, blockElements: 256 },
  I8: { id: 24, blockBytes: 1, blockElements: 1 },
  I16: { id: 25, blockBytes: 2, blockElements: 1 },
  I32: { id: 26, blockBytes: 4, blockElements: 1 },
  I64: { id: 27, blockBytes: 8, blockElements: 1 },
  F64: { id: 28, blockBytes: 8, blockElements: 1 },
  IQ1_M: { id: 29, blockBytes: 56, blockElements: 256 },
  BF16: { id: 30, blockBytes: 2, blockElements: 1 },
  TQ1_0: { id: 34, blockBytes: 54, blockElements: 256 },
  TQ2_0: { id: 35, blockBytes: 66, blockElements: 256 },
  MXFP4: { id: 39, blockBytes: 17, blockElements: 32 },
  NVFP4: { id: 40, blockBytes: 36, blockElements: 64 },
  Q1_0: { id: 41, blockBytes: 18, blockElements: 128 },
  Q2_0: { id: 42, blockBytes: 18, blockElements: 64 },
} as const satisfies Record<
  string,
  { readonly id: number; readonly blockBytes: number; readonly blockElements: number }
>;

export type GgmlType = keyof typeof GGML_TYPES;

export function isGgmlType(name: string): name is GgmlType {
  return Object.hasOwn(GGML_TYPES, name);
}

const BY_ID: ReadonlyMap<number, GgmlType> = new Map(
  Object.entries(GGML_TYPES).map(([name, { id }]) => [id, name as GgmlType]),
);

/** null for an id that ggml has removed or that is newer than this table. */
export function ggmlTypeOfId(id: number): GgmlType | null {
  return BY_ID.get(id) ?? null;
}

/** Quantized: more than one element in a block. */
export function isQuantized(type: GgmlType): boolean {
  return GGML_TYPES[type].blockElements > 1;
}

/**
 * Bytes of one row: elements / blockElements x blockBytes.
 * @throws {RangeError} when the row is not a whole number of blocks
 */
export function rowBytes(type: GgmlType, elements: number): number {
  const { blockBytes, blockElements } = GGML_TYPES[type];
  if (elements % blockElements !== 0) {
    throw new RangeError(
      `Cannot store a row of ${elements} elements as ${type}: a multiple of ${blockElements} is wanted`,
    );
  }
  return (elements / blockElements) * blockBytes;
}

/** Bytes of a tensor: rowBytes(ne0) x ne1 x ne2 x ne3. */
export function tensorBytes(type: GgmlType, shape: readonly number[]): number {
  let rows = 1;
  for (let i = 1; i < shape.length; i++) rows *= shape[i] ?? 1;
  return rowBytes(type, shape[0] ?? 1) * rows;
}
