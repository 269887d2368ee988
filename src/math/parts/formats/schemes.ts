/** The layouts of published formats. Sides are listed in the order of the files' tensors. */
import type { Scheme, Side } from "./scheme.ts";

const NO_SIDES = { rowMultiple: 1, sides: [], fixedBytes: 0 } as const;
const perTensor = (bits: number): Side => ({ bits, perIn: 0, perOut: 0 });
const perChannel = (bits: number): Side => ({ bits, perIn: 0, perOut: 1 });
const perGroup = (bits: number, group: number): Side => ({ bits, perIn: group, perOut: 1 });

/**
 * GPTQ: qweight in words of 32 bits, qzeros by group, scales in 16 bits, and g_idx, the group of each input, in 32 bits.
 * @param group  inputs of one group; 0 = all of a row
 * @source auto-gptq / GPTQModel QuantLinear: qweight [in/32*bits, out], qzeros [⌈in/group⌉, out/32*bits], scales [⌈in/group⌉, out], g_idx [in]
 */
export function gptq(bits: number, group: number): Scheme {
  return {
    bits,
    rowMultiple: 1,
    sides: [perGroup(bits, group), perGroup(16, group), { bits: 32, perIn: 1, perOut: 0 }],
    fixedBytes: 0,
  };
}

/** AWQ: as GPTQ, without g_idx. @source AutoAWQ WQLinear_GEMM: qweight [in, out/8], qzeros [in/group, out/8], scales [in/group, out] */
export function awq(bits: number, group: number): Scheme {
  return { bits, rowMultiple: 1, sides: [perGroup(bits, group), perGroup(16, group)], fixedBytes: 0 };
}

/** weight_shape of compressed-tensors: two numbers of 64 bits. */
const WEIGHT_SHAPE_BYTES = 16;

/**
 * compressed-tensors "pack-quantized": weight_packed, weight_scale in the model's own 16 bits, weight_zero_point when not
 * symmetric, weight_g_idx when groups follow the activations' order.
 * @param group  0 = one scale for each output
 * @source compressed-tensors 0.20.0 compressors/pack_quantized/base.py
 */
export function packedInt(bits: number, group: number, more: { symmetric: boolean; ordered: boolean }): Scheme {
  const scale = group === 0 ? perChannel(16) : perGroup(16, group);
  const zero = group === 0 ? perChannel(bits) : perGroup(bits, group);
  return {
    bits,
    rowMultiple: 1,
    sides: [scale, ...(more.symmetric ? [] : [zero]), ...(more.ordered ? [{ bits: 32, perIn: 1, perOut: 0 }] : [])],
    fixedBytes: WEIGHT_SHAPE_BYTES,
  };
}

export type ScaleOver = "tensor" | "channel" | readonly [outs: number, ins: number];

/**
 * One byte for a weight: FP8, and INT8 of W8A8.
 * @param scale      what shares a scale, and bits of one
 * @param inputBits  of the activations' scale beside each matrix; 0 = they are scaled as they come
 */
export function eightBit(over: ScaleOver, scaleBits: number, inputBits: number): Scheme {
  const scale =
    over === "tensor"
      ? perTensor(scaleBits)
      : over === "channel"
        ? perChannel(scaleBits)
        : { bits: scaleBits, perIn: over[1], perOut: over[0] };
  return {
    bits: 8,
    rowMultiple: 1,
    sides: inputBits === 0 ? [scale] : [scale, perTensor(inputBits)],
    fixedBytes: 0,
  };
}

/** NVFP4: a scale in FP8 for 16 weights, one in 32 bits for the matrix, and one for its inputs. */
export const NVFP4: Scheme = {
  bits: 4,
  rowMultiple: 16,
  sides: [perGroup(8, 16), perTensor(32), perTensor(32)],
  fixedBytes: 0,
};

/** MXFP4 (OCP): a power of two in 8 bits for 32 weights. @source OCP Microscaling Formats 1.0; openai/gpt-oss: blocks, scales */
export const MXFP4: Scheme = { bits: 4, rowMultiple: 32, sides: [perGroup(8, 32)], fixedBytes: 0 };

/** Of bitsandbytes: 16 numbers of the code in 32 bits, and 256 of the scales' where they are quantised again. */
const CODE_BYTES = 64;
const NESTED_CODE_BYTES = 1024;
/** The state as JSON, for a matrix of 1024 x 4096 in bfloat16: other shapes have other digits. */
const STATE_BYTES = 82;
const NESTED_STATE_BYTES = 170;

/**
 * nf4 and fp4: absmax for 64 weights in 32 bits; doubly quantised in 8 bits, with a scale for 256 of them.
 * @source bitsandbytes 0.50.2 functional.py QuantState.as_dict; quantize_4bit of 1024 x 4096 gave 2,359,442 and 2,164,970 bytes
 */
export function bnb4(nested: boolean): Scheme {
  const absmax: Scheme["sides"] = nested
    ? [
        { bits: 8, perWeights: 64 },
        { bits: 32, perWeights: 64 * 256 },
      ]
    : [{ bits: 32, perWeights: 64 }];
  const fixedBytes = CODE_BYTES + (nested ? NESTED_CODE_BYTES + NESTED_STATE_BYTES : STATE_BYTES);
  return { bits: 4, rowMultiple: 1, sides: absmax, fixedBytes };
}

/** LLM.int8(): a byte for a weight, SCB in 32 bits for an output, and one byte that names the layout. */
export const BNB_INT8: Scheme = { bits: 8, rowMultiple: 1, sides: [perChannel(32)], fixedBytes: 1 };

/** MLX's own: a scale and a bias for each group, in the model's 16 bits. @source mlx 0.32 mx.quantize */
export function mlxAffine(bits: number, group: number): Scheme {
  return { bits, rowMultiple: group, sides: [perGroup(16, group), perGroup(16, group)], fixedBytes: 0 };
}

/** MLX's floating-point modes: a scale of 8 bits for each group, and nothing else. @source mlx 0.32 mx.quantize(mode=…) */
export const MLX_MODES = {
  mxfp4: { bits: 4, rowMultiple: 32, sides: [perGroup(8, 32)], fixedBytes: 0 },
  nvfp4: { bits: 4, rowMultiple: 16, sides: [perGroup(8, 16)], fixedBytes: 0 },
  mxfp8: { bits: 8, rowMultiple: 32, sides: [perGroup(8, 32)], fixedBytes: 0 },
} as const satisfies Record<string, Scheme>;

/**
 * EXL3: bits for a weight, and a sign vector in 16 bits for inputs and for outputs, both filled up to 128.
 * @source exllamav3 modules/quant/exl3.py@0c647502ed75b11b43577b86bd7e905a6a02cf11: trellis [in/16, out/16, 16*bits] of 16 bits, suh [in], svh [out]; modules/linear.py pad_to
 */
export function exl3(bits: number): Scheme {
  return {
    bits,
    rowMultiple: 1,
    tile: 128,
    sides: [
      { bits: 16, perIn: 1, perOut: 0 },
      { bits: 16, perIn: 0, perOut: 1 },
    ],
    // Which code book: one number of 32 bits.
    fixedBytes: 4,
  };
}

/** int4 of torchao: a scale and a zero in 16 bits for a group. @source torchao quantization/quant_api.py Int4WeightOnlyConfig */
export function torchao4(group: number): Scheme {
  return { bits: 4, rowMultiple: group, sides: [perGroup(16, group), perGroup(16, group)], fixedBytes: 0 };
}

/** HQQ in mistral.rs: scale and zero in 32 bits for 64 weights. */
export function hqq(bits: number): Scheme {
  return { ...NO_SIDES, bits, sides: [perGroup(32, 64), perGroup(32, 64)] };
}

/** A block type of ggml's. */
export function blocks(blockBytes: number, blockElements: number): Scheme {
  return { ...NO_SIDES, bits: (8 * blockBytes) / blockElements, rowMultiple: blockElements };
}
