/** Options of text-generation-launcher, each as it was asked for or as it is set by itself. */
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { KvName, PlanOptions } from "../../options.ts";
import { type ForeignOption, refuseForeign } from "../foreign-options.ts";
import type { EngineRefusal } from "../runtime.ts";
import type { Ranks } from "../torch/assemble.ts";
import { isEncoder } from "../torch/encoder.ts";
import { memoryOf, shareBeside, smallerShare } from "../torch/memory.ts";
import { chooseRanks } from "../torch/ranks.ts";

export interface TgiOptions {
  readonly context: number;
  readonly sequences: number;
  readonly sequencesAsked: boolean;
  /** max_batch_prefill_tokens. */
  readonly prefill: number;
  readonly kvType: "auto" | "fp8_e4m3fn" | "fp8_e5m2";
  readonly ranks: Ranks;
  /** cuda_memory_fraction. */
  readonly fraction: number;
}

export type TgiResolution =
  | { readonly status: "ok"; readonly options: TgiOptions; readonly warnings: readonly string[] }
  | EngineRefusal;

const FOREIGN: readonly ForeignOption[] = [
  "ubatch",
  "program",
  "flashAttention",
  "kvUnified",
  "swaFull",
  "gpuLayers",
  "cpuMoeLayers",
  "splitMode",
  "tensorSplit",
  "overrideTensor",
  "pipelineParallel",
];

const DEFAULT_CONTEXT = 8192;
/** What the launcher takes where it does not know the GPU's speed; where it does, it computes another, so the command says it. */
const DEFAULT_PREFILL = 4096;
const DEFAULT_FRACTION = 1;

const KV_TYPES: Partial<Record<KvName, TgiOptions["kvType"]>> = {
  F16: "auto",
  BF16: "auto",
  FP8: "fp8_e4m3fn",
  FP8_E5M2: "fp8_e5m2",
};

/** @source text-generation-inference v3.3.7 launcher/src/main.rs */
export function resolveTgi(model: ModelSpec, asked: PlanOptions, machine: Machine): TgiResolution {
  const foreign = refuseForeign("TGI", asked, FOREIGN);
  if (foreign !== null) return foreign;
  const unknown = unsupported(model);
  if (unknown !== null) return unknown;
  const chosen = chooseRanks("TGI", model, asked, machine);
  if (chosen.status === "refused") return chosen;
  const [k, v] = [asked.kvTypeK ?? "BF16", asked.kvTypeV ?? asked.kvTypeK ?? "BF16"];
  const kvType = KV_TYPES[k];
  if (kvType === undefined || KV_TYPES[v] !== kvType) {
    return {
      status: "refused",
      reason:
        kvType === undefined || KV_TYPES[v] === undefined
          ? `TGI has no cache type ${(kvType === undefined ? k : v).toLowerCase()}`
          : "TGI keeps keys and values in one type",
      hint: "take one of bf16, fp8, fp8_e5m2",
    };
  }
  const context = asked.context ?? Math.min(DEFAULT_CONTEXT, model.contextTrained ?? DEFAULT_CONTEXT);
  const memory = machine.accelerators[0] === undefined ? null : memoryOf(machine.accelerators[0]);
  const kept = asked.reserveBytes === null || memory === null ? null : shareBeside(asked.reserveBytes, memory);
  const fraction = smallerShare(asked.memoryUtilization, kept) ?? DEFAULT_FRACTION;
  if (fraction <= 0) {
    return {
      status: "refused",
      reason: "TGI wants a share of the memory above 0",
      hint: "leave --memory-utilization out",
    };
  }
  const warnings = [...chosen.warnings];
  if (model.contextTrained !== null && context > model.contextTrained)
    warnings.push(
      `The context of ${context} tokens is more than the ${model.contextTrained} the model was trained for.`,
    );
  return {
    status: "ok",
    warnings,
    options: {
      context,
      sequences: asked.sequences ?? 1,
      sequencesAsked: asked.sequences !== null,
      prefill: asked.batch ?? Math.min(DEFAULT_PREFILL, model.contextTrained ?? DEFAULT_PREFILL),
      kvType,
      ranks: chosen.ranks,
      fraction,
    },
  };
}

/** TGI is in maintenance mode: what came after it, it does not run. @source v3.3.7 server/text_generation_server/models/__init__.py */
function unsupported(model: ModelSpec): EngineRefusal | null {
  const refusal = (what: string): EngineRefusal => ({
    status: "refused",
    reason: `TGI has no ${what}: it is in maintenance mode`,
    hint: "plan for vLLM or SGLang",
  });
  if (isEncoder(model))
    return {
      status: "refused",
      reason: "TGI writes text, and an encoder makes vectors of it",
      hint: "plan for vLLM, SGLang or transformers",
    };
  for (const { mixers, sideCaches } of model.layers) {
    if (mixers.some(({ kind }) => kind === "state")) return refusal("cache for recurrent layers beside attention");
    if (sideCaches.length > 0) return refusal("sparse attention with an indexer");
  }
  return null;
}
