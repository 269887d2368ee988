import { GGML_TYPES, type GgmlType } from "../ggml-types.ts";
import {
  EIGHT_EXPERT_OUTPUT,
  FALCON,
  FUSED_QKV_ALONE,
  LOWEST,
  MIXES,
  type MixContext,
  type MixRule,
} from "./presets-mix.ts";
import { isLikeValue, type Subject, type SubjectTensor } from "./presets-subject.ts";
import { PRESETS, type PresetId } from "./presets-table.ts";

/** What is quantized, and how. */
export interface Facts {
  readonly subject: Subject;
  readonly preset: PresetId;
  readonly imatrix: boolean;
  /** attn_qkv and attn_kv_b are not treated like attn_v. */
  readonly alone: boolean;
}

/** How many tensors of a kind have been typed, in the file's order. */
export type Counters = Record<"value" | "up" | "gate" | "down", number>;

/**
 * The type of one quantizable tensor in the preset's mixture, row length aside. Counts the tensor.
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) src/llama-quant.cpp#L428
 */
export function mixedType(tensor: SubjectTensor, facts: Facts, counters: Counters): GgmlType {
  const { preset } = facts;
  const { defaultType } = PRESETS[preset];
  const mix = MIXES[preset] ?? {};
  const category = tensor.category;

  if (category === "head" || (category === "embedding" && facts.subject.tied)) return headType(tensor, facts);
  if (preset === "MXFP4_MOE") return (tensor.tensor.shape[2] ?? 1) > 1 ? "MXFP4" : "Q8_0";
  if (category === "embedding") return choose(mix.embedding, context(facts, 0, 0)) ?? defaultType;
  if (isLikeValue(category)) {
    if (facts.alone && category !== "value")
      return (category === "qkv" ? FUSED_QKV_ALONE[preset] : null) ?? defaultType;
    const type = choose(mix.value, context(facts, counters.value++, facts.subject.values)) ?? defaultType;
    if (LOWEST.has(preset)) return type;
    if (facts.subject.experts === 8) return "Q8_0";
    return facts.subject.seventy && (type === "Q3_K" || type === "Q4_K") ? "Q5_K" : type;
  }
  if (category === "key") {
    if (facts.subject.experts === 8) return LOWEST.has(preset) ? "Q4_K" : "Q8_0";
    return choose(mix.key, context(facts, 0, 0)) ?? defaultType;
  }
  if (category === "query") return choose(mix.query, context(facts, 0, 0)) ?? defaultType;
  if (category === "attentionOut") {
    if (facts.subject.falcon && !LOWEST.has(preset))
      return choose(FALCON.attentionOut[preset], context(facts, 0, 0)) ?? defaultType;
    if (facts.subject.experts === 8) return EIGHT_EXPERT_OUTPUT.has(preset) ? "Q5_K" : defaultType;
    return choose(mix.attentionOut, context(facts, 0, 0)) ?? defaultType;
  }
  if (category === "down" || category === "up" || category === "gate") {
    const running = counters[category]++;
    const byLayer = facts.subject.experts > 1 && !LOWEST.has(preset);
    const rule =
      category === "down" && facts.subject.falcon && preset in FALCON.down ? FALCON.down[preset] : mix[category];
    return choose(rule, context(facts, byLayer ? tensor.layer : running, facts.subject.layers)) ?? defaultType;
  }
  return defaultType;
}

/** The head's type, and a tied embedding's. */
function headType(tensor: SubjectTensor, { preset, subject }: Facts): GgmlType {
  const { defaultType } = PRESETS[preset];
  const whole = tensor.row % GGML_TYPES[defaultType].blockElements === 0;
  if (preset === "MXFP4_MOE" || subject.falcon || !whole || defaultType === "Q8_0") return "Q8_0";
  const rule = MIXES[preset]?.head;
  return typeof rule === "string" ? rule : "Q6_K";
}

function context({ subject, imatrix }: Facts, index: number, count: number): MixContext {
  return { index, count, queriesPerKv: subject.queriesPerKv, experts: subject.experts, imatrix };
}

function choose(rule: MixRule | null | undefined, context: MixContext): GgmlType | null {
  return typeof rule === "function" ? rule(context) : (rule ?? null);
}

/** Types of long blocks and the one that takes their place where a row is no multiple of the block. */
const SHORTER: Readonly<Partial<Record<GgmlType, GgmlType>>> = {
  IQ1_S: "IQ4_NL",
  IQ1_M: "IQ4_NL",
  IQ2_XXS: "IQ4_NL",
  IQ2_XS: "IQ4_NL",
  IQ2_S: "IQ4_NL",
  IQ3_XXS: "IQ4_NL",
  IQ3_S: "IQ4_NL",
  IQ4_XS: "IQ4_NL",
  Q2_0: "Q4_0",
  Q2_K: "Q4_0",
  Q3_K: "Q4_0",
  TQ1_0: "Q4_0",
  TQ2_0: "Q4_0",
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
};

/** Whether a tensor with rows of any length can be stored by this type or a substitute. */
export function canShorten(type: GgmlType): boolean {
  return SHORTER[type] !== undefined || GGML_TYPES[type].blockElements <= 32;
}

/**
 * The type, or what fits the row's length: a type of shorter blocks, else F16.
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) src/llama-quant.cpp#L371
 */
export function fitting(tensor: SubjectTensor, type: GgmlType): GgmlType {
  const row = tensor.row;
  if (row % GGML_TYPES[type].blockElements === 0) return type;
  const shorter = SHORTER[type] ?? type;
  if (!canShorten(type)) {
    throw new RangeError(
      `Cannot store "${tensor.tensor.name}" as ${type}: rows of ${row} elements are no whole number of its blocks`,
    );
  }
  return row % GGML_TYPES[shorter].blockElements === 0 ? shorter : "F16";
}
