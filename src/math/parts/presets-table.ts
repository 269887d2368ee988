import type { GgmlType } from "../ggml-types.ts";

export interface Preset {
  /** The type of every tensor that no rule of presets-mix.ts names. */
  readonly defaultType: GgmlType;
  /** general.file_type of a GGUF file. */
  readonly fileType: number;
  readonly description: string;
  /** Of Llama-3.1-8B as llama-quantize's own table has it; where the table is silent, of the default type. */
  readonly nominalBits: number;
  /** llama-quantize refuses to write this preset without an importance matrix. */
  readonly needsMatrix: boolean;
}

function preset(
  defaultType: GgmlType,
  fileType: number,
  nominalBits: number,
  description: string,
  needsMatrix = false,
): Preset {
  return { defaultType, fileType, description, nominalBits, needsMatrix };
}

/**
 * What llama-quantize can make, by its own names, from most bits to fewest.
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) include/llama.h#L117, src/llama-quant.cpp#L840,
 *   tools/quantize/quantize.cpp#L34, tools/quantize/README.md#L143
 */
export const PRESETS = {
  F32: preset("F32", 0, 32, "32-bit floats"),
  BF16: preset("BF16", 32, 16, "16-bit brain floats, as most models are published"),
  F16: preset("F16", 1, 16.0005, "16-bit floats"),
  Q8_0: preset("Q8_0", 7, 8.5008, "8 bits, hardly told from the original"),
  Q6_K: preset("Q6_K", 18, 6.5633, "6 bits"),
  Q5_1: preset("Q5_1", 9, 6, "5 bits with an offset, older"),
  Q5_K_M: preset("Q5_K", 17, 5.7036, "5 bits, 6 where it matters"),
  Q5_K_S: preset("Q5_K", 16, 5.5704, "5 bits"),
  Q5_0: preset("Q5_0", 8, 5.5, "5 bits, older"),
  Q4_1: preset("Q4_1", 3, 5, "4 bits with an offset, older"),
  Q4_K_M: preset("Q4_K", 15, 4.8944, "4 bits, 6 where it matters: the usual choice"),
  Q4_K_S: preset("Q4_K", 14, 4.6672, "4 bits, 5 in the first layers"),
  IQ4_NL: preset("IQ4_NL", 25, 4.6818, "4 bits, non-linear"),
  Q4_0: preset("Q4_0", 2, 4.5, "4 bits, older, quick on CPUs"),
  IQ4_XS: preset("IQ4_XS", 30, 4.4597, "4 bits, non-linear, smaller"),
  MXFP4_MOE: preset("MXFP4", 38, 4.25, "4-bit floats for the experts, 8 bits for the rest"),
  Q3_K_L: preset("Q3_K", 13, 4.2979, "3 bits, 5 where it matters"),
  Q3_K_M: preset("Q3_K", 12, 3.996, "3 bits, 4 and 5 where it matters"),
  IQ3_M: preset("IQ3_S", 27, 3.7628, "3 bits, codebook, 4 where it matters"),
  IQ3_S: preset("IQ3_S", 26, 3.6606, "3 bits, codebook"),
  Q3_K_S: preset("Q3_K", 11, 3.6429, "3 bits"),
  IQ3_XS: preset("IQ3_S", 22, 3.4977, "3 bits, codebook, smaller", true),
  IQ3_XXS: preset("IQ3_XXS", 23, 3.2548, "3 bits, codebook, smallest", true),
  Q2_K: preset("Q2_K", 10, 3.1593, "2 bits, 3 and 4 where it matters"),
  Q2_K_S: preset("Q2_K", 21, 2.9697, "2 bits", true),
  IQ2_M: preset("IQ2_S", 29, 2.9294, "2 bits, codebook, 3 where it matters", true),
  IQ2_S: preset("IQ2_XS", 28, 2.7403, "2 bits, codebook", true),
  IQ2_XS: preset("IQ2_XS", 20, 2.5882, "2 bits, codebook, smaller", true),
  IQ2_XXS: preset("IQ2_XXS", 19, 2.3824, "2 bits, codebook, smallest", true),
  Q2_0: preset("Q2_0", 41, 2.25, "2 bits, for models trained so"),
  IQ1_M: preset("IQ1_M", 31, 2.146, "1.75 bits, codebook", true),
  TQ2_0: preset("TQ2_0", 37, 2.0625, "ternary, for models trained so"),
  IQ1_S: preset("IQ1_S", 24, 2.0042, "1.5 bits, codebook", true),
  TQ1_0: preset("TQ1_0", 36, 1.6875, "ternary, packed, for models trained so"),
  Q1_0: preset("Q1_0", 40, 1.125, "1 bit, for models trained so"),
} as const satisfies Record<string, Preset>;

/** Types of one or two bits and ternary ones, for models that were trained in them: any other model is ruined. */
export const FOR_TRAINED_SO: ReadonlySet<string> = new Set(["Q1_0", "Q2_0", "TQ1_0", "TQ2_0"] satisfies PresetId[]);

export type PresetId = keyof typeof PRESETS;

export const PRESET_IDS = Object.keys(PRESETS) as readonly PresetId[];

export function isPresetId(name: string): name is PresetId {
  return Object.hasOwn(PRESETS, name);
}

const BY_FILE_TYPE: ReadonlyMap<number, PresetId> = new Map(PRESET_IDS.map((id) => [PRESETS[id].fileType, id]));

/** The preset that general.file_type names; null for one that is removed, guessed (1024) or newer than this table. */
export function presetOfFileType(fileType: number): PresetId | null {
  return BY_FILE_TYPE.get(fileType) ?? null;
}
