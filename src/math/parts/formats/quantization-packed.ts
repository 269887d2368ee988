/** GPTQ, AWQ, bitsandbytes, EXL3, MXFP4: one layout for the model, and lists of what is left alone. */
import { byModule } from "./module-match.ts";
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
import { awq, BNB_INT8, bnb4, exl3, gptq, MXFP4 } from "./schemes.ts";

const AT = "quantization_config";
const GPTQ_BITS: ReadonlySet<number> = new Set([2, 3, 4, 8]);
const isGroup = (n: number): boolean => n === -1 || (Number.isInteger(n) && n >= 8);
const groupName = (n: number): string => (n === -1 ? "channel" : `g${n}`);

/**
 * Every linear map of the layers; `dynamic` of GPTQModel leaves modules alone ("-:") or gives them bits of their own ("+:").
 * @source GPTQModel quantization/config.py QuantizeConfig; transformers 5.24 utils/quantization_config.py GPTQConfig
 */
export function gptqRules(block: Block): Rules {
  const bits = numberOf(block, "bits", AT, (n) => GPTQ_BITS.has(n));
  const group = numberOf(block, "group_size", AT, isGroup);
  const of = (b: number, g: number): Scheme => gptq(b, Math.max(0, g));
  const scheme = of(bits, group);
  const dynamic = Object.entries(blockOf(block.dynamic) ?? {}).map(([pattern, value]) => {
    const own = blockOf(value) ?? {};
    const merged = { bits, group_size: group, ...own };
    return {
      match: byModule([pattern.replace(/^[-+]:/, "")]),
      scheme: pattern.startsWith("-:")
        ? null
        : of(
            numberOf(merged, "bits", `${AT}.dynamic`, (n) => GPTQ_BITS.has(n)),
            numberOf(merged, "group_size", `${AT}.dynamic`, isGroup),
          ),
    };
  });
  const head = block.lm_head === true;
  return {
    id: `gptq-${bits}bit-${groupName(group)}`,
    method: "gptq",
    schemeOf: (module) => {
      if (!isLayerMatrix(module) && !(head && module.kind === "head")) return null;
      const found = dynamic.find(({ match }) => match(module.names));
      return found === undefined ? scheme : found.scheme;
    },
  };
}

export function awqRules(block: Block): Rules {
  const whole = { bits: block.w_bit, group_size: block.q_group_size, ...block };
  const bits = numberOf(whole, "bits", AT, (n) => n === 4 || n === 8);
  const group = numberOf(whole, "group_size", AT, isGroup);
  const skip = byModule(namesOf(block.modules_to_not_convert));
  const scheme = awq(bits, Math.max(0, group));
  return {
    id: `awq-${bits}bit-${groupName(group)}`,
    method: "awq",
    schemeOf: (module) => (isLayerMatrix(module) && !skip(module.names) ? scheme : null),
  };
}

/** Every linear layer but the head and what `llm_int8_skip_modules` names. */
export function bitsandbytesRules(block: Block): Rules {
  const four = block.load_in_4bit === true || block._load_in_4bit === true;
  const eight = block.load_in_8bit === true || block._load_in_8bit === true;
  if (four === eight) throw new UnknownQuantization(`${AT}.load_in_4bit`, block.load_in_4bit);
  const type = block.bnb_4bit_quant_type ?? "fp4";
  if (four && type !== "nf4" && type !== "fp4") throw new UnknownQuantization(`${AT}.bnb_4bit_quant_type`, type);
  const nested = block.bnb_4bit_use_double_quant === true;
  const scheme = four ? bnb4(nested) : BNB_INT8;
  const skip = byModule(namesOf(block.llm_int8_skip_modules));
  return {
    id: four ? `bnb-${String(type)}${nested ? "-dq" : ""}` : "bnb-int8",
    method: "bitsandbytes",
    schemeOf: (module) => ((isLayerMatrix(module) || module.kind === "router") && !skip(module.names) ? scheme : null),
  };
}

/** @source exllamav3 conversion/convert_model.py: bits is the average, head_bits of the head; the mixture is in another file */
export function exl3Rules(block: Block): Rules {
  const isBits = (n: number): boolean => n >= 1 && n <= 8;
  const bits = numberOf(block, "bits", AT, isBits);
  const headBits = numberOf({ head_bits: 6, ...block }, "head_bits", AT, isBits);
  const body = exl3(bits);
  const head = exl3(headBits);
  return {
    id: `exl3-${bits}bpw-h${headBits}`,
    method: "exl3",
    schemeOf: (module) => (module.kind === "head" ? head : isLayerMatrix(module) ? body : null),
  };
}

/** gpt-oss: experts alone. @source transformers 5.24 integrations/mxfp4.py */
export function mxfp4Rules(block: Block): Rules {
  const skip = byModule(namesOf(block.modules_to_not_convert));
  return {
    id: "mxfp4",
    method: "mxfp4",
    schemeOf: (module) => (module.kind === "expert" && !skip(module.names) ? MXFP4 : null),
  };
}
