import type { GgmlType } from "../ggml-types.ts";
import type { PresetId } from "./presets-table.ts";

/** What a rule may ask about the tensor at hand. */
export interface MixContext {
  /** Which of its kind it is, from 0: the running number, or the layer in a model with experts. */
  readonly index: number;
  /** How many of its kind the rule counts with. */
  readonly count: number;
  /** Query heads per KV head of the first layer, rounded down; 0 = none. */
  readonly queriesPerKv: number;
  /** Routed experts per layer; 0 = none. */
  readonly experts: number;
  readonly imatrix: boolean;
}

/** A type, or a choice; null = the preset's default. */
export type MixRule = GgmlType | ((context: MixContext) => GgmlType | null);

/** The tensors that a preset gives another type than its default. */
export interface Mix {
  /** The head, and a tied embedding. */
  readonly head?: MixRule;
  readonly embedding?: MixRule;
  readonly value?: MixRule;
  readonly key?: MixRule;
  readonly query?: MixRule;
  readonly attentionOut?: MixRule;
  readonly up?: MixRule;
  readonly gate?: MixRule;
  readonly down?: MixRule;
}

const eighth = (count: number): number => Math.floor(count / 8);

/** Bytes are spent on the first and last eighth of the layers, and on every third between. */
export function usesMoreBits(index: number, count: number): boolean {
  return index < eighth(count) || index >= Math.floor((7 * count) / 8) || (index - eighth(count)) % 3 === 2;
}

function moreBits(type: GgmlType): MixRule {
  return ({ index, count }) => (usesMoreBits(index, count) ? type : null);
}

function firstEighth(type: GgmlType, rest: GgmlType | null = null): MixRule {
  return ({ index, count }) => (index < eighth(count) ? type : rest);
}

function firstFew(few: number, type: GgmlType, rest: GgmlType | null = null): MixRule {
  return ({ index }) => (index < few ? type : rest);
}

/** Four or more query heads share a KV head: V is small, and more bits cost little. */
function shared(type: GgmlType, otherwise: MixRule | null = null): MixRule {
  return (context) => {
    if (context.queriesPerKv >= 4) return type;
    return typeof otherwise === "function" ? otherwise(context) : otherwise;
  };
}

/** The same, or four or more experts beside it. */
function sharedOrExperts(type: GgmlType, otherwise: GgmlType): MixRule {
  return ({ queriesPerKv, experts }) => (queriesPerKv >= 4 || experts >= 4 ? type : otherwise);
}

const middleSmaller: MixRule = ({ index, count }) =>
  index >= eighth(count) && index < Math.floor((7 * count) / 8) ? "IQ3_XXS" : null;

/** Q4_0 and Q5_0 with an importance matrix go wrong in the first layers' ffn_down. */
function guarded(type: GgmlType): MixRule {
  return ({ index, count, imatrix }) => (imatrix && index < eighth(count) ? type : null);
}

const IQ4: Mix = {
  value: shared("Q5_K"),
  down: ({ index, count, imatrix }) => (!imatrix && index < eighth(count) ? "Q5_K" : null),
};
const IQ2_WIDE: Mix = {
  head: "Q5_K",
  embedding: "IQ3_S",
  value: sharedOrExperts("Q4_K", "IQ3_S"),
  down: firstEighth("IQ3_S"),
  attentionOut: "IQ3_S",
};
const IQ2_NARROW: Mix = {
  head: "Q5_K",
  embedding: "Q2_K",
  value: sharedOrExperts("Q4_K", "Q2_K"),
  down: firstEighth("Q2_K"),
};
const IQ1: Mix = { ...IQ2_NARROW, attentionOut: "IQ2_XXS" };

/**
 * The mixture of each preset; one that is missing has none. "head" is Q6_K where nothing is said.
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) src/llama-quant.cpp#L428-660
 */
export const MIXES: Readonly<Partial<Record<PresetId, Mix>>> = {
  Q2_K: { value: shared("Q4_K", () => "Q3_K"), down: "Q3_K", attentionOut: "Q3_K" },
  Q2_K_S: { value: shared("Q4_K"), down: firstEighth("Q4_K") },
  Q3_K_M: {
    value: firstFew(2, "Q5_K", "Q4_K"),
    down: ({ index, count }) => (index < Math.floor(count / 16) ? "Q5_K" : "Q4_K"),
    attentionOut: "Q4_K",
  },
  Q3_K_L: { value: "Q5_K", down: "Q5_K", attentionOut: "Q5_K" },
  Q4_0: { down: guarded("Q4_1") },
  Q5_0: { down: guarded("Q5_1") },
  Q4_K_S: { value: firstFew(4, "Q5_K"), down: firstEighth("Q5_K") },
  Q4_K_M: { value: moreBits("Q6_K"), down: moreBits("Q6_K") },
  Q5_K_M: { value: moreBits("Q6_K"), down: moreBits("Q6_K") },
  IQ4_XS: IQ4,
  IQ4_NL: IQ4,
  IQ3_M: {
    value: "Q4_K",
    down: ({ index, count, experts }) =>
      index < eighth(count) || (experts === 8 && usesMoreBits(index, count)) ? "Q4_K" : null,
    attentionOut: "Q4_K",
  },
  IQ3_S: { value: shared("Q4_K") },
  IQ3_XS: { value: shared("Q4_K"), key: "IQ3_XXS", query: "IQ3_XXS", up: middleSmaller, gate: middleSmaller },
  IQ3_XXS: {
    head: "Q5_K",
    embedding: "IQ3_S",
    value: shared("Q4_K", ({ imatrix }) => (imatrix ? "IQ3_XXS" : "IQ3_S")),
    key: "IQ2_S",
    query: "IQ2_S",
    down: ({ index, count, imatrix }) => (imatrix ? null : index < eighth(count) ? "Q4_K" : "Q3_K"),
    attentionOut: "IQ3_S",
  },
  IQ2_M: IQ2_WIDE,
  IQ2_S: IQ2_WIDE,
  IQ2_XS: IQ2_NARROW,
  IQ2_XXS: IQ2_NARROW,
  IQ1_S: IQ1,
  IQ1_M: IQ1,
  TQ1_0: { embedding: "Q4_K" },
  TQ2_0: { embedding: "Q4_K" },
  Q2_0: { embedding: "Q4_K" },
};

/** These spend by ffn_down's running number even in a model with experts, and have exceptions of their own for eight. */
export const LOWEST: ReadonlySet<PresetId> = new Set(["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"]);

/** attn_output is Q5_K in a model of exactly eight experts (Mixtral). */
export const EIGHT_EXPERT_OUTPUT: ReadonlySet<PresetId> = new Set([
  ...LOWEST,
  "Q2_K",
  "IQ3_XS",
  "IQ3_XXS",
  "Q3_K_S",
  "Q3_K_M",
  "IQ4_NL",
  "Q4_K_S",
  "Q4_K_M",
  "IQ3_S",
  "IQ3_M",
  "IQ4_XS",
]);

/** attn_qkv before build 8266, where it was no kind of V: all layers alike. */
export const FUSED_QKV_ALONE: Readonly<Partial<Record<PresetId, GgmlType>>> = {
  Q3_K_M: "Q4_K",
  Q3_K_L: "Q4_K",
  IQ3_M: "Q4_K",
  Q4_K_M: "Q5_K",
  Q5_K_M: "Q6_K",
};

/** Falcon's ffn_down and attn_output, which bear fewer bits. A preset that is missing does as for any model; null = no rule. */
export const FALCON: {
  readonly down: Readonly<Partial<Record<PresetId, MixRule | null>>>;
  readonly attentionOut: Readonly<Partial<Record<PresetId, MixRule>>>;
} = {
  down: {
    Q3_K_M: ({ index, count }) =>
      index < Math.floor(count / 16) ? "Q5_K" : usesMoreBits(index, count) ? "Q4_K" : "Q3_K",
    Q3_K_L: "Q4_K",
    Q4_K_M: ({ index, count }) =>
      index < Math.floor(count / 16) ? "Q6_K" : usesMoreBits(index, count) ? "Q5_K" : "Q4_K",
    Q4_K_S: null,
  },
  attentionOut: { Q3_K_L: "Q4_K" },
};
