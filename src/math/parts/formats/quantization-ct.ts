/**
 * compressed-tensors: groups of modules, each with a way to store weights.
 * @source compressed-tensors 0.20.0 quantization/quant_args.py, quant_scheme.py, lifecycle/initialize.py, compressors/
 */
import type { FormatMethod } from "./format.ts";
import { byNameOrExpression } from "./module-match.ts";
import {
  type Block,
  blockOf,
  isLayerMatrix,
  namesOf,
  numberOf,
  type Rules,
  UnknownQuantization,
} from "./quantization.ts";
import type { Scheme } from "./scheme.ts";
import { eightBit, MLX_MODES, NVFP4, packedInt, type ScaleOver } from "./schemes.ts";

const AT = "quantization_config.config_groups";

interface Stored {
  readonly scheme: Scheme;
  readonly method: FormatMethod;
  readonly id: string;
}

export function compressedRules(block: Block): Rules {
  const groups = Object.entries(blockOf(block.config_groups) ?? {}).map(([name, value]) => {
    const group = blockOf(value) ?? {};
    const targets = namesOf(group.targets);
    return {
      ...stored(group, group.format ?? block.format, `${AT}.${name.slice(0, 40)}`),
      all: targets.length === 0 || targets.includes("Linear"),
      match: byNameOrExpression(targets),
    };
  });
  const [first] = groups;
  if (first === undefined) throw new UnknownQuantization(AT, block.config_groups);
  const skip = byNameOrExpression(namesOf(block.ignore));
  return {
    id: [...new Set(groups.map(({ id }) => id))].join("-"),
    method: first.method,
    schemeOf: (module) => {
      if (module.kind === "vector" || skip(module.names)) return null;
      const named = groups.find(({ match }) => match(module.names));
      const found = named ?? (isLayerMatrix(module) ? groups.find(({ all }) => all) : undefined);
      return found?.scheme ?? null;
    },
  };
}

function stored(group: Block, format: unknown, at: string): Stored {
  const weights = blockOf(group.weights);
  if (weights === null) throw new UnknownQuantization(`${at}.weights`, group.weights);
  const where = `${at}.weights`;
  const bits = numberOf(weights, "num_bits", where, (n) => n === 4 || n === 8);
  if (weights.type === "float") return storedFloat(weights, format, bits, blockOf(group.input_activations), where);
  if (weights.type !== "int") throw new UnknownQuantization(`${where}.type`, weights.type);
  if (format === "int-quantized" || format === "naive-quantized") {
    if (bits !== 8) throw new UnknownQuantization(`${where}.num_bits`, bits);
    return { scheme: eightBit(scaleOver(weights, where), 16, 0), method: "int8", id: "w8a8-int8" };
  }
  const inputs = weights.strategy === "channel" ? 0 : numberOf(weights, "group_size", where, (n) => n >= 8);
  const more = { symmetric: weights.symmetric !== false, ordered: weights.actorder === "group" };
  return {
    scheme: packedInt(bits, inputs, more),
    method: "compressed-tensors",
    id: `w${bits}a16-${inputs === 0 ? "channel" : `g${inputs}`}`,
  };
}

function storedFloat(weights: Block, format: unknown, bits: number, inputs: Block | null, at: string): Stored {
  if (bits === 8) {
    if (format === "mxfp8-pack-quantized" || format === "mxfp8-quantized") {
      return { scheme: MLX_MODES.mxfp8, method: "fp8", id: "mxfp8" };
    }
    const input = inputs !== null && inputs.dynamic === false ? 16 : 0;
    const over = scaleOver(weights, at);
    const id = typeof over !== "string" ? "fp8-block" : input > 0 ? "fp8-static" : "fp8-dynamic";
    return { scheme: eightBit(over, 16, input), method: typeof over === "string" ? "fp8" : "fp8-block", id };
  }
  const group = numberOf(weights, "group_size", at, (n) => n === 16 || n === 32);
  return group === 16
    ? { scheme: NVFP4, method: "nvfp4", id: "nvfp4" }
    : { scheme: MLX_MODES.mxfp4, method: "mxfp4", id: "mxfp4" };
}

function scaleOver(weights: Block, at: string): ScaleOver {
  const { strategy } = weights;
  if (strategy === "tensor" || strategy === "channel") return strategy;
  const block = weights.block_structure;
  if (strategy === "block" && Array.isArray(block)) {
    const [outs, ins]: readonly unknown[] = block;
    if (typeof outs === "number" && typeof ins === "number" && outs > 0 && ins > 0) return [outs, ins];
  }
  // NVIDIA's configs say no strategy: one scale for a matrix.
  if (strategy == null) return "tensor";
  throw new UnknownQuantization(`${at}.strategy`, strategy);
}
