interface TypeLayout {
  readonly id: number;
  readonly blockBytes: number;
  readonly blockElements: number;
  /** What a row begins with, beside its blocks; left out: nothing. */
  readonly rowHeaderBytes?: number;
}

/**
 * ggml's tensor types: bytes of one block and elements in it.
 * @source llama.cpp ggml/src/ggml-common.h and ggml/include/ggml.h@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
const MAINLINE_TYPES = {
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
} as const satisfies Record<string, TypeLayout>;

/**
 * Types that only ik_llama.cpp has: its own quants and, as _R4, _R8, _R16, those with the rows of a matrix interleaved.
 * Some begin each row with a scale of its own: rowHeaderBytes.
 * @source ik_llama.cpp ggml/include/ggml.h, ggml/src/ggml-common.h and type_traits of ggml/src/ggml.c@8337e4cd3861406fc04e0854b1409cd1b027fbc9
 */
const FORK_TYPES = {
  Q6_0: { id: 133, blockBytes: 26, blockElements: 32 },
  IQ1_BN: { id: 134, blockBytes: 13, blockElements: 64, rowHeaderBytes: 2 },
  IQ2_BN: { id: 135, blockBytes: 16, blockElements: 64, rowHeaderBytes: 4 },
  IQ2_K: { id: 137, blockBytes: 76, blockElements: 256 },
  IQ3_K: { id: 138, blockBytes: 110, blockElements: 256 },
  IQ4_K: { id: 139, blockBytes: 144, blockElements: 256 },
  IQ5_K: { id: 140, blockBytes: 176, blockElements: 256 },
  IQ6_K: { id: 141, blockBytes: 212, blockElements: 256 },
  IQ4_KS: { id: 144, blockBytes: 136, blockElements: 256, rowHeaderBytes: 4 },
  IQ2_KS: { id: 145, blockBytes: 70, blockElements: 256, rowHeaderBytes: 2 },
  IQ4_KSS: { id: 146, blockBytes: 128, blockElements: 256, rowHeaderBytes: 4 },
  Q8_KV: { id: 151, blockBytes: 32, blockElements: 32, rowHeaderBytes: 8 },
  IQ5_KS: { id: 152, blockBytes: 168, blockElements: 256, rowHeaderBytes: 4 },
  IQ2_KT: { id: 153, blockBytes: 68, blockElements: 256, rowHeaderBytes: 4 },
  IQ3_KT: { id: 154, blockBytes: 100, blockElements: 256, rowHeaderBytes: 4 },
  IQ4_KT: { id: 155, blockBytes: 128, blockElements: 256, rowHeaderBytes: 4 },
  IQ3_KS: { id: 156, blockBytes: 102, blockElements: 256, rowHeaderBytes: 2 },
  IQ2_KL: { id: 157, blockBytes: 86, blockElements: 256, rowHeaderBytes: 2 },
  IQ1_KT: { id: 158, blockBytes: 56, blockElements: 256, rowHeaderBytes: 4 },
  Q4_0_R8: { id: 202, blockBytes: 18, blockElements: 32 },
  Q5_0_R4: { id: 206, blockBytes: 22, blockElements: 32 },
  Q8_0_R8: { id: 208, blockBytes: 34, blockElements: 32 },
  Q2_K_R4: { id: 210, blockBytes: 84, blockElements: 256 },
  Q3_K_R4: { id: 211, blockBytes: 110, blockElements: 256 },
  Q4_K_R4: { id: 212, blockBytes: 144, blockElements: 256 },
  Q5_K_R4: { id: 213, blockBytes: 176, blockElements: 256 },
  Q6_K_R4: { id: 214, blockBytes: 210, blockElements: 256 },
  IQ2_XXS_R4: { id: 216, blockBytes: 66, blockElements: 256 },
  IQ2_XS_R4: { id: 217, blockBytes: 74, blockElements: 256 },
  IQ3_XXS_R4: { id: 218, blockBytes: 98, blockElements: 256 },
  IQ1_S_R4: { id: 219, blockBytes: 6, blockElements: 32, rowHeaderBytes: 2 },
  IQ4_NL_R4: { id: 220, blockBytes: 18, blockElements: 32 },
  IQ3_S_R4: { id: 221, blockBytes: 110, blockElements: 256 },
  IQ2_S_R4: { id: 222, blockBytes: 82, blockElements: 256 },
  IQ4_XS_R8: { id: 223, blockBytes: 136, blockElements: 256 },
  IQ1_M_R4: { id: 229, blockBytes: 7, blockElements: 32, rowHeaderBytes: 2 },
  BF16_R16: { id: 230, blockBytes: 2, blockElements: 1 },
  Q6_0_R4: { id: 233, blockBytes: 26, blockElements: 32 },
  IQ2_BN_R4: { id: 335, blockBytes: 16, blockElements: 64, rowHeaderBytes: 4 },
  IQ2_K_R4: { id: 337, blockBytes: 76, blockElements: 256 },
  IQ3_K_R4: { id: 338, blockBytes: 110, blockElements: 256 },
  IQ4_K_R4: { id: 339, blockBytes: 144, blockElements: 256 },
  IQ5_K_R4: { id: 340, blockBytes: 176, blockElements: 256 },
  IQ4_KS_R4: { id: 344, blockBytes: 136, blockElements: 256, rowHeaderBytes: 4 },
  IQ5_KS_R4: { id: 352, blockBytes: 168, blockElements: 256, rowHeaderBytes: 4 },
  MXFP4_R8: { id: 353, blockBytes: 17, blockElements: 32 },
  Q8_K_R16: { id: 397, blockBytes: 258, blockElements: 256 },
  Q8_KV_R8: { id: 398, blockBytes: 32, blockElements: 32, rowHeaderBytes: 4 },
  Q8_K_R8: { id: 399, blockBytes: 258, blockElements: 256 },
} as const satisfies Record<string, TypeLayout>;

export const GGML_TYPES = { ...MAINLINE_TYPES, ...FORK_TYPES } as const;

export type GgmlType = keyof typeof GGML_TYPES;

export function isGgmlType(name: string): name is GgmlType {
  return Object.hasOwn(GGML_TYPES, name);
}

const BY_ID: ReadonlyMap<number, GgmlType> = new Map(
  Object.entries(GGML_TYPES).map(([name, { id }]) => [id, name as GgmlType]),
);

/** Whether only ik_llama.cpp reads tensors of this type. */
export function isForkType(type: GgmlType): boolean {
  return Object.hasOwn(FORK_TYPES, type);
}

/** null for an id that ggml has removed or that is newer than this table. */
export function ggmlTypeOfId(id: number): GgmlType | null {
  return BY_ID.get(id) ?? null;
}

/** Quantized: more than one element in a block. */
export function isQuantized(type: GgmlType): boolean {
  return GGML_TYPES[type].blockElements > 1;
}

/**
 * Bytes of one row: elements / blockElements x blockBytes + rowHeaderBytes.
 * @throws {RangeError} when the row is not a whole number of blocks
 */
export function rowBytes(type: GgmlType, elements: number): number {
  const { blockBytes, blockElements, rowHeaderBytes = 0 }: TypeLayout = GGML_TYPES[type];
  if (elements % blockElements !== 0) {
    throw new RangeError(
      `Cannot store a row of ${elements} elements as ${type}: a multiple of ${blockElements} is wanted`,
    );
  }
  return (elements / blockElements) * blockBytes + rowHeaderBytes;
}

/** Bytes of a tensor: rowBytes(ne0) x ne1 x ne2 x ne3. */
export function tensorBytes(type: GgmlType, shape: readonly number[]): number {
  let rows = 1;
  for (let i = 1; i < shape.length; i++) rows *= shape[i] ?? 1;
  return rowBytes(type, shape[0] ?? 1) * rows;
}
