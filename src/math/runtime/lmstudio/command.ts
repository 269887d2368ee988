import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import type { CommandModel } from "../llama-cpp/command.ts";
import { offloadableLayers } from "../llama-cpp/placement.ts";
import { DEFAULT_BATCH, DEFAULT_UBATCH } from "../llama-cpp/resolve.ts";
import type { LlamaCppOptions } from "../llama-cpp/types.ts";
import { shellWord } from "../shell.ts";

/** numParallelSessions of the SDK's schema. */
export const DEFAULT_SESSIONS = 4;

/**
 * `lms load` where context and GPU share are all there is to say; what it has no flag for goes through the SDK.
 * @source lmstudio-ai/lms@0499fc147e4b38c7bb1bc69b5bdcb8ab149135dd src/subcommands/load.ts; @lmstudio/sdk 2.0.0 LLMLoadModelConfig
 */
export function lmStudioCommand(
  options: LlamaCppOptions,
  asked: PlanOptions,
  model: ModelSpec,
  { id, file }: CommandModel,
): string {
  const name = id ?? file ?? "model";
  const gpu = gpuRatio(options, asked, model);
  const experts = options.cpuMoeLayers === 0 ? null : expertRatio(options, model);
  const more = beyondFlags(options);
  if (Object.keys(more).length === 0 && experts === null) {
    const share = gpu === null ? "" : ` --gpu ${gpu}`;
    return `lms load ${shellWord(name)} --context-length ${options.context}${share} -y`;
  }
  const ratios = {
    ...(gpu === null ? {} : { ratio: gpu }),
    ...(experts === null ? {} : { numCpuExpertLayersRatio: experts }),
  };
  const placed = Object.keys(ratios).length === 0 ? {} : { autoFit: false, gpu: ratios };
  const config = { contextLength: options.context, ...placed, ...more };
  const script = `new (require("@lmstudio/sdk").LMStudioClient)().llm.load(${JSON.stringify(name)}, ${JSON.stringify({ config })})`;
  return `node -e ${shellWord(script)}`;
}

/** A share of the layers; null: LM Studio fits them itself. */
function gpuRatio({ gpuLayers }: LlamaCppOptions, asked: PlanOptions, model: ModelSpec): number | "max" | "off" | null {
  if (asked.gpuLayers === null || asked.gpuLayers === "auto") return null;
  const all = offloadableLayers(model);
  if (gpuLayers >= all) return "max";
  return gpuLayers === 0 ? "off" : Math.round((gpuLayers / all) * 1000) / 1000;
}

function expertRatio({ cpuMoeLayers }: LlamaCppOptions, model: ModelSpec): number | "max" {
  const layers = model.layers.length;
  return cpuMoeLayers >= layers ? "max" : Math.round((cpuMoeLayers / layers) * 1000) / 1000;
}

function beyondFlags(options: LlamaCppOptions): Record<string, unknown> {
  const { sequences, kvUnified, batch, ubatch, flashAttention, kvTypeK, kvTypeV } = options;
  return {
    ...(sequences === DEFAULT_SESSIONS ? {} : { maxParallelPredictions: sequences }),
    ...(kvUnified ? {} : { useUnifiedKvCache: false }),
    ...(batch === DEFAULT_BATCH ? {} : { evalBatchSize: batch }),
    ...(ubatch === DEFAULT_UBATCH ? {} : { physicalBatchSize: ubatch }),
    ...(flashAttention ? {} : { flashAttention: false }),
    ...(kvTypeK === "F16" ? {} : { llamaKCacheQuantizationType: kvTypeK.toLowerCase() }),
    ...(kvTypeV === "F16" ? {} : { llamaVCacheQuantizationType: kvTypeV.toLowerCase() }),
  };
}
