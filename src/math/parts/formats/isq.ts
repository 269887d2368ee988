/** What mistral.rs makes while it loads (ISQ), and stores as UQFF: "isq-q4k", "isq-q8_0", "isq-afq4", "isq-hqq4". */
import { GGML_TYPES, type GgmlType } from "../../ggml-types.ts";
import type { WeightFormat } from "./format.ts";
import { formatOfRecipe } from "./recipe.ts";
import type { Scheme } from "./scheme.ts";
import { blocks, eightBit, hqq, MXFP4, mlxAffine } from "./schemes.ts";

const NAME = /^isq-(q[2-68]k|q[45]_[01]|q8_[01]|afq[23468]|hqq[48]|f8e4m3|mxfp4)$/;

/** What mistral.rs takes instead where rows are no multiple of 256, and when those do not fit either: 32 bits. */
const FALLBACK: Readonly<Record<string, GgmlType>> = {
  q2k: "Q4_0",
  q3k: "Q4_0",
  q4k: "Q4_1",
  q5k: "Q5_0",
  q6k: "Q5_1",
  q8k: "Q8_1",
};
const ISQ_TYPES: Readonly<Record<string, GgmlType>> = {
  q4_0: "Q4_0",
  q4_1: "Q4_1",
  q5_0: "Q5_0",
  q5_1: "Q5_1",
  q8_0: "Q8_0",
  q8_1: "Q8_1",
  q2k: "Q2_K",
  q3k: "Q3_K",
  q4k: "Q4_K",
  q5k: "Q5_K",
  q6k: "Q6_K",
  q8k: "Q8_K",
};
const WHOLE = blocks(4, 1);

function isqSchemes(type: string): readonly Scheme[] {
  const of = (name: GgmlType): Scheme => blocks(GGML_TYPES[name].blockBytes, GGML_TYPES[name].blockElements);
  const own = ISQ_TYPES[type];
  const other = FALLBACK[type];
  if (own !== undefined) return [of(own), ...(other === undefined ? [] : [of(other)]), WHOLE];
  const bits = Number(type.slice(-1));
  if (type.startsWith("afq")) return [mlxAffine(bits, 64)];
  if (type.startsWith("hqq")) return [hqq(bits)];
  return type === "mxfp4" ? [MXFP4] : [eightBit("tensor", 32, 0)];
}

/** Embedding and head are kept better. @source mistral.rs mistralrs-quant/src/lib.rs promote_for_sensitive_tensor */
function promoted(type: string): string {
  if (/^afq[234]$/.test(type)) return "afq6";
  if (/^afq[68]$/.test(type)) return "afq8";
  if (/^q[234]/.test(type)) return "q6k";
  return /^q[568]/.test(type) ? "q8_0" : type;
}

/**
 * Attention, feed-forward, experts, head and embedding; a router where its loader's list has one, which is not modelled.
 * @source mistral.rs mistralrs-quant/src/utils/isq.rs get_fallback, pipeline/loaders isq_layer_regexes@9e922623f24b32d41f3892b74f0eed18707f4e6c
 */
export function parseIsq(id: string): WeightFormat | null {
  const type = NAME.exec(id)?.[1];
  if (type === undefined) return null;
  const body = isqSchemes(type);
  const ends = isqSchemes(promoted(type));
  return formatOfRecipe({
    id,
    method: type.startsWith("hqq") ? "hqq" : "isq",
    basis: "modelled",
    floatBytes: 2,
    schemesOf: (kind) =>
      kind === "head" || kind === "embedding" ? ends : kind === "linear" || kind === "expert" ? body : [],
  });
}
