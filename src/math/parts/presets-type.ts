import { GGML_TYPES, type GgmlType } from "../ggml-types.ts";
import type { ModelSpec, TensorSpec } from "../model.ts";
import { layerOf } from "./file-order.ts";
import { type Category, categoryOf } from "./presets-category.ts";
import {
  EIGHT_EXPERT_OUTPUT,
  FALCON,
  FUSED_QKV_ALONE,
  LOWEST,
  MIXES,
  type MixContext,
  type MixRule,
} from "./presets-mix.ts";
import { PRESETS, type PresetId } from "./presets-table.ts";

/** Facts of the whole model that the rules ask for. */
export interface Facts {
  readonly preset: PresetId;
  readonly imatrix: boolean;
  /** attn_qkv and attn_kv_b are not treated like attn_v. */
  readonly alone: boolean;
  readonly falcon: boolean;
  readonly seventy: boolean;
  readonly queriesPerKv: number;
  readonly experts: number;
  readonly tied: boolean;
  readonly values: number;
  readonly layers: number;
}

/** The architectures that llama-quantize itself names. */
const FALCON_ARCHITECTURE = "falcon";

/**
 * Layers of the models that the engine calls "70B": V is an eighth of Q there, and better kept.
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) src/models/{llama,qwen2,deci,olmo,jais2}.cpp
 */
const LAYERS_OF_70B: Readonly<Partial<Record<string, number>>> = {
  llama: 80,
  "llama-embed": 80,
  qwen2: 80,
  deci: 80,
  olmo: 80,
  jais2: 68,
};

/** @param ordered  all tensors in the file's order */
export function factsOf(
  spec: ModelSpec,
  ordered: readonly TensorSpec[],
  preset: PresetId,
  imatrix: boolean,
  alone: boolean,
): Facts {
  const categories = ordered.map(({ name }) => categoryOf(name));
  const heads = headsOf(spec, categories.includes("kvB"));
  const experts = Math.max(
    0,
    ...[...spec.layers, ...spec.mtpLayers].map(({ feedForward }) =>
      feedForward.kind === "moe" ? feedForward.experts : 0,
    ),
  );
  // A llama with heads of its own for every query is the old 65B; eight experts are a Mixtral.
  const llama = spec.architecture === "llama" || spec.architecture === "llama-embed";
  return {
    preset,
    imatrix,
    alone,
    falcon: spec.architecture === FALCON_ARCHITECTURE,
    seventy:
      LAYERS_OF_70B[spec.architecture] === spec.layers.length &&
      !(llama && (heads.query === heads.kv || experts === 8)),
    queriesPerKv: heads.kv === 0 ? 0 : Math.floor(heads.query / heads.kv),
    experts,
    tied: !categories.includes("head"),
    values: categories.filter(isLikeValue).length,
    layers: spec.layers.length + spec.mtpLayers.length,
  };
}

/** Heads as the file's metadata has them for the first layer. Latent attention counts as one KV head unless K and V are kept apart (attn_kv_b). */
function headsOf(spec: ModelSpec, apart: boolean): { readonly query: number; readonly kv: number } {
  for (const { mixers } of spec.layers) {
    for (const mixer of mixers) {
      if (mixer.kind === "state") continue;
      if (mixer.kind === "latent") return { query: mixer.heads, kv: apart ? mixer.heads : 1 };
      return { query: mixer.heads, kv: mixer.kvHeads };
    }
  }
  return { query: 0, kv: 0 };
}

/** V and what llama-quantize takes for it. */
function isLikeValue(category: Category): boolean {
  return category === "value" || category === "qkv" || category === "kvB";
}

/** How many tensors of a kind have been typed, in the file's order. */
export type Counters = Record<"value" | "up" | "gate" | "down", number>;

/**
 * The type of one quantizable tensor in the preset's mixture, row length aside. Counts the tensor.
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) src/llama-quant.cpp#L428
 */
export function mixedType(tensor: TensorSpec, facts: Facts, counters: Counters): GgmlType {
  const { preset } = facts;
  const { defaultType } = PRESETS[preset];
  const mix = MIXES[preset] ?? {};
  const category = categoryOf(tensor.name);

  if (category === "head" || (category === "embedding" && facts.tied)) return headType(tensor, facts);
  if (preset === "MXFP4_MOE") return (tensor.shape[2] ?? 1) > 1 ? "MXFP4" : "Q8_0";
  if (category === "embedding") return choose(mix.embedding, context(facts, 0, 0)) ?? defaultType;
  if (isLikeValue(category)) {
    if (facts.alone && category !== "value")
      return (category === "qkv" ? FUSED_QKV_ALONE[preset] : null) ?? defaultType;
    const type = choose(mix.value, context(facts, counters.value++, facts.values)) ?? defaultType;
    if (LOWEST.has(preset)) return type;
    if (facts.experts === 8) return "Q8_0";
    return facts.seventy && (type === "Q3_K" || type === "Q4_K") ? "Q5_K" : type;
  }
  if (category === "key") {
    if (facts.experts === 8) return LOWEST.has(preset) ? "Q4_K" : "Q8_0";
    return choose(mix.key, context(facts, 0, 0)) ?? defaultType;
  }
  if (category === "query") return choose(mix.query, context(facts, 0, 0)) ?? defaultType;
  if (category === "attentionOut") {
    if (facts.falcon && !LOWEST.has(preset))
      return choose(FALCON.attentionOut[preset], context(facts, 0, 0)) ?? defaultType;
    if (facts.experts === 8) return EIGHT_EXPERT_OUTPUT.has(preset) ? "Q5_K" : defaultType;
    return choose(mix.attentionOut, context(facts, 0, 0)) ?? defaultType;
  }
  if (category === "down" || category === "up" || category === "gate") {
    const running = counters[category]++;
    const byLayer = facts.experts > 1 && !LOWEST.has(preset);
    const rule = category === "down" && facts.falcon && preset in FALCON.down ? FALCON.down[preset] : mix[category];
    return choose(rule, context(facts, byLayer ? layerOf(tensor.name) : running, facts.layers)) ?? defaultType;
  }
  return defaultType;
}

/** The head's type, and a tied embedding's. */
function headType(tensor: TensorSpec, { preset, falcon }: Facts): GgmlType {
  const { defaultType } = PRESETS[preset];
  const whole = (tensor.shape[0] ?? 1) % GGML_TYPES[defaultType].blockElements === 0;
  if (preset === "MXFP4_MOE" || falcon || !whole || defaultType === "Q8_0") return "Q8_0";
  const rule = MIXES[preset]?.head;
  return typeof rule === "string" ? rule : "Q6_K";
}

function context({ queriesPerKv, experts, imatrix }: Facts, index: number, count: number): MixContext {
  return { index, count, queriesPerKv, experts, imatrix };
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
export function fitting(tensor: TensorSpec, type: GgmlType): GgmlType {
  const row = tensor.shape[0] ?? 1;
  if (row % GGML_TYPES[type].blockElements === 0) return type;
  const shorter = SHORTER[type] ?? type;
  if (!canShorten(type)) {
    throw new RangeError(
      `Cannot store "${tensor.name}" as ${type}: rows of ${row} elements are no whole number of its blocks`,
    );
  }
  return row % GGML_TYPES[shorter].blockElements === 0 ? shorter : "F16";
}
