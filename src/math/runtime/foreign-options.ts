/** Options that one engine has and another has not: said to the wrong one they are refused, never ignored. */
import type { PlanOptions } from "../options.ts";
import type { EngineRefusal } from "./runtime.ts";

/** Options that an engine may lack, by the flag they are asked with. */
const FLAGS = {
  ubatch: "--ubatch",
  batch: "--batch",
  program: "--program",
  kvTypeK: "--kv-type",
  flashAttention: "--flash-attention",
  kvUnified: "--kv-unified",
  swaFull: "--swa-full",
  gpuLayers: "--gpu-layers",
  cpuMoeLayers: "--cpu-moe",
  splitMode: "--split-mode",
  tensorSplit: "--tensor-split",
  overrideTensor: "--override-tensor",
  tensorParallel: "--tensor-parallel",
  pipelineParallel: "--pipeline-parallel",
  memoryUtilization: "--memory-utilization",
  mla: "--mla",
  attentionMaxBatch: "--attention-max-batch",
} as const satisfies Partial<Record<keyof PlanOptions, string>>;

export type ForeignOption = keyof typeof FLAGS;

/** Values that ask for nothing that an engine without the option would not do anyway. */
const NEUTRAL: Partial<Record<ForeignOption, readonly unknown[]>> = {
  flashAttention: ["auto"],
  kvUnified: [false],
  swaFull: [false],
  gpuLayers: ["auto", "all"],
  cpuMoeLayers: [0],
  tensorParallel: [1],
  pipelineParallel: [1],
};

/** Options that only engines have which name them as their own. */
const OWNED: readonly ForeignOption[] = ["mla", "attentionMaxBatch"];

/** Refuses what belongs to other engines alone, wherever a plan is made. */
export function refuseOwned(engine: string, asked: PlanOptions, own: readonly ForeignOption[]): EngineRefusal | null {
  return refuseForeign(
    engine,
    asked,
    OWNED.filter((option) => !own.includes(option)),
  );
}

/**
 * The first option that was said and that the engine does not have.
 * @param lacks what this engine has no option for, in the order of the complaint
 */
export function refuseForeign(
  engine: string,
  asked: PlanOptions,
  lacks: readonly ForeignOption[],
): EngineRefusal | null {
  for (const option of lacks) {
    const value = asked[option];
    if (value === null || NEUTRAL[option]?.includes(value) === true) continue;
    return {
      status: "refused",
      reason: `${engine} has no option like ${FLAGS[option]}`,
      hint: `leave ${FLAGS[option]} out`,
    };
  }
  return null;
}
