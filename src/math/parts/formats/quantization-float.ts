/** FP8 and NVFP4 as DeepSeek, transformers, fbgemm and NVIDIA's modelopt describe them. */
import type { FormatMethod } from "./format.ts";
import { byGlob, byModule, type ModuleMatch } from "./module-match.ts";
import {
  type Block,
  blockOf,
  isLayerMatrix,
  type Module,
  namesOf,
  numberOf,
  type Rules,
  UnknownQuantization,
} from "./quantization.ts";
import type { Scheme } from "./scheme.ts";
import { eightBit, MLX_MODES, NVFP4, packedInt } from "./schemes.ts";

const AT = "quantization_config";
const FP8_STATIC = eightBit("tensor", 32, 32);

/**
 * DeepSeek's and Qwen's blocks of 128 x 128 with a scale in 32 bits (weight_scale_inv; Qwen's are of 16 bits), or one scale
 * for a matrix and one for its inputs.
 * @source transformers 5.24 integrations/finegrained_fp8.py; vLLM model_executor/layers/quantization/fp8.py
 */
export function fp8Rules(block: Block): Rules {
  const size = block.weight_block_size;
  const skip = byModule([...namesOf(block.modules_to_not_convert), ...namesOf(block.ignored_layers)]);
  const own = layerAlgorithms(block);
  const [outs, ins]: readonly unknown[] = Array.isArray(size) ? size : [];
  if (size != null && !(isBlockSide(outs) && isBlockSide(ins))) {
    throw new UnknownQuantization(`${AT}.weight_block_size`, size);
  }
  const inputs = block.activation_scheme === "static" ? 32 : 0;
  const scheme = isBlockSide(outs) && isBlockSide(ins) ? eightBit([outs, ins], 32, 0) : eightBit("tensor", 32, inputs);
  const mixed = own === null ? "" : "-nvfp4";
  return {
    id: `${size == null ? (inputs === 0 ? "fp8" : "fp8-static") : "fp8-block"}${mixed}`,
    method: size == null ? "fp8" : "fp8-block",
    schemeOf: (module) => own?.(module) ?? (isLayerMatrix(module) && !skip(module.names) ? scheme : null),
  };
}

function isBlockSide(n: unknown): n is number {
  return typeof n === "number" && Number.isInteger(n) && n > 0;
}

/** A scale in 32 bits for each output. @source transformers 5.24 integrations/fbgemm_fp8.py */
export function fbgemmRules(block: Block): Rules {
  const skip = byModule(namesOf(block.modules_to_not_convert));
  const scheme = eightBit("channel", 32, 0);
  return {
    id: "fp8-dynamic",
    method: "fp8",
    schemeOf: (module) => (isLayerMatrix(module) && !skip(module.names) ? scheme : null),
  };
}

/** By modelopt's own names. @source NVIDIA Model-Optimizer modelopt/torch/export/quant_utils.py */
function algorithm(
  name: unknown,
  block: Block,
  at: string,
): { readonly scheme: Scheme; readonly method: FormatMethod } {
  switch (name) {
    case "FP8":
      return { scheme: FP8_STATIC, method: "fp8" };
    case "FP8_PER_CHANNEL_PER_TOKEN":
      return { scheme: eightBit("channel", 32, 0), method: "fp8" };
    case "FP8_PB_WO":
      return { scheme: eightBit([128, 128], 32, 0), method: "fp8-block" };
    case "NVFP4":
    case "NVFP4_AWQ":
    case "W4A16_NVFP4":
      return { scheme: NVFP4, method: "nvfp4" };
    case "MXFP8":
      return { scheme: MLX_MODES.mxfp8, method: "fp8" };
    case "MXFP4":
      return { scheme: MLX_MODES.mxfp4, method: "mxfp4" };
    case "W4A16_AWQ": {
      const group = numberOf({ group_size: 128, ...block }, "group_size", at, (n) => Number.isInteger(n) && n > 0);
      return { scheme: packedInt(4, group, { symmetric: true, ordered: false }), method: "awq" };
    }
    default:
      throw new UnknownQuantization(`${at}.quant_algo`, name);
  }
}

/** `quantized_layers`: a module's name → its algorithm; null where there is none. */
function layerAlgorithms(block: Block): ((module: Module) => Scheme | null) | null {
  const layers = blockOf(block.quantized_layers);
  if (layers === null) return null;
  const byName = new Map<string, Scheme>();
  for (const [name, value] of Object.entries(layers)) {
    const own = blockOf(value) ?? {};
    byName.set(name, algorithm(own.quant_algo, own, `${AT}.quantized_layers`).scheme);
  }
  return ({ names }) => {
    for (const name of names) {
      const found = byName.get(name);
      if (found !== undefined) return found;
    }
    return null;
  };
}

/** One algorithm for the layers' matrices, or MIXED_PRECISION with a list of modules; "exclude_modules" with stars. */
export function modeloptRules(block: Block): Rules {
  const inner = blockOf(block.quantization) ?? block;
  const skip: ModuleMatch = byGlob([...namesOf(inner.ignore), ...namesOf(inner.exclude_modules)]);
  const name = inner.quant_algo;
  if (name === "MIXED_PRECISION") {
    const own = layerAlgorithms(inner);
    if (own === null) throw new UnknownQuantization(`${AT}.quantized_layers`, inner.quantized_layers);
    return {
      id: "nvfp4-mixed",
      method: "nvfp4",
      schemeOf: (module) => (module.kind === "vector" || skip(module.names) ? null : own(module)),
    };
  }
  const { scheme, method } = algorithm(name, inner, AT);
  return {
    id: method === "nvfp4" ? "nvfp4" : String(name).toLowerCase().replaceAll("_", "-"),
    method,
    schemeOf: (module) => (isLayerMatrix(module) && !skip(module.names) ? scheme : null),
  };
}
