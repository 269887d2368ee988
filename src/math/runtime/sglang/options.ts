/** SGLang's options, each as it was asked for or as SGLang itself sets it. */
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { KvName, PlanOptions } from "../../options.ts";
import { type ForeignOption, refuseForeign } from "../foreign-options.ts";
import type { EngineRefusal } from "../runtime.ts";
import type { Ranks } from "../torch/assemble.ts";
import { memoryOf, shareBeside, smallerShare } from "../torch/memory.ts";
import { chooseRanks } from "../torch/ranks.ts";
import { settingsFor, staticFraction } from "./rules.ts";

export interface SglangOptions {
  readonly context: number;
  readonly sequences: number;
  readonly sequencesAsked: boolean;
  /** chunked_prefill_size. */
  readonly chunk: number;
  readonly chunkAsked: boolean;
  readonly graphBatch: number;
  readonly kvType: "auto" | "fp8_e4m3" | "fp8_e5m2";
  readonly ranks: Ranks;
  /** mem_fraction_static. */
  readonly fraction: number;
  readonly fractionAsked: boolean;
}

export type SglangResolution =
  | { readonly status: "ok"; readonly options: SglangOptions; readonly warnings: readonly string[] }
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
];

const DEFAULT_CONTEXT = 8192;
/** Where no memory is known. @source srt/arg_groups/memory_hook.py */
const UNKNOWN_FRACTION = 0.95;

const KV_TYPES: Partial<Record<KvName, SglangOptions["kvType"]>> = {
  F16: "auto",
  BF16: "auto",
  FP8: "fp8_e4m3",
  FP8_E5M2: "fp8_e5m2",
};

export function resolveSglang(model: ModelSpec, asked: PlanOptions, machine: Machine): SglangResolution {
  const foreign = refuseForeign("SGLang", asked, FOREIGN);
  if (foreign !== null) return foreign;
  const chosen = chooseRanks("SGLang", model, asked, machine);
  if (chosen.status === "refused") return chosen;
  const [k, v] = [asked.kvTypeK ?? "BF16", asked.kvTypeV ?? asked.kvTypeK ?? "BF16"];
  const kvType = KV_TYPES[k];
  if (kvType === undefined || KV_TYPES[v] !== kvType) {
    return {
      status: "refused",
      reason:
        kvType === undefined || KV_TYPES[v] === undefined
          ? `SGLang has no cache type ${(kvType === undefined ? k : v).toLowerCase()}`
          : "SGLang keeps keys and values in one type",
      hint: "take one of bf16, fp8, fp8_e5m2",
    };
  }
  const context = asked.context ?? Math.min(DEFAULT_CONTEXT, model.contextTrained ?? DEFAULT_CONTEXT);
  if (model.contextTrained !== null && context > model.contextTrained) {
    return {
      status: "refused",
      reason: `SGLang refuses a context of ${context} tokens: the model was trained for ${model.contextTrained}`,
      hint: `take --context ${model.contextTrained} or less`,
    };
  }
  const { ranks } = chosen;
  // nvidia-smi's figure, which counts what the driver keeps for itself.
  const used = machine.accelerators
    .slice(0, ranks.tensor * ranks.pipeline)
    .map((device) => device.memoryBytes ?? memoryOf(device));
  const known = used.filter((bytes) => bytes !== null);
  const memory = known.length === 0 ? null : Math.min(...known);
  const settings = settingsFor(memory, ranks.tensor);
  const chunk = asked.batch ?? settings.chunk;
  const graphBatch = asked.sequences === null ? settings.graphBatch : Math.min(settings.graphBatch, asked.sequences);
  const latent = model.layers.some(({ mixers }) => mixers.some(({ kind }) => kind === "latent"));
  const own =
    memory === null
      ? UNKNOWN_FRACTION
      : staticFraction({ memoryBytes: memory, chunk, graphBatch, ranks: ranks.tensor * ranks.pipeline, latent });
  const kept = asked.reserveBytes === null || memory === null ? null : shareBeside(asked.reserveBytes, memory);
  const fraction = smallerShare(asked.memoryUtilization, kept) ?? own;
  if (fraction <= 0) {
    return {
      status: "refused",
      reason: "SGLang finds no memory for weights and caches beside what a step needs",
      hint: "take a smaller --batch, a larger GPU, or say --memory-utilization",
    };
  }
  return {
    status: "ok",
    warnings: chosen.warnings,
    options: {
      context,
      sequences: asked.sequences ?? 1,
      sequencesAsked: asked.sequences !== null,
      chunk,
      chunkAsked: asked.batch !== null,
      graphBatch,
      kvType,
      ranks,
      fraction,
      fractionAsked: fraction !== own,
    },
  };
}
