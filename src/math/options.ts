/** What a person may ask for (contract: options of `plan`, fields of a request) and what an engine resolves it to. */
import type { GgmlType } from "./ggml-types.ts";

export const ENGINES = [
  "llama.cpp",
  "node-llama-cpp",
  "ik_llama.cpp",
  "ollama",
  "lmstudio",
  "mistral.rs",
  "exllamav3",
  "mlx",
  "vllm",
  "sglang",
  "tgi",
  "transformers",
] as const;
export type EngineId = (typeof ENGINES)[number];

export const KV_TYPES = [
  "F32",
  "F16",
  "BF16",
  "Q8_0",
  "Q4_0",
  "Q4_1",
  "IQ4_NL",
  "Q5_0",
  "Q5_1",
] as const satisfies readonly GgmlType[];
export type KvType = (typeof KV_TYPES)[number];

/** The cache types of all engines: ggml's, FP8 (e4m3) and FP8_E5M2, and Qn, n bits with scales by group. Each engine refuses what it has not. */
export const KV_NAMES = [...KV_TYPES, "FP8", "FP8_E5M2", "Q2", "Q3", "Q4", "Q5", "Q6", "Q7", "Q8"] as const;
export type KvName = (typeof KV_NAMES)[number];

export const PROGRAMS = ["llama-server", "llama-cli", "llama-bench", "api"] as const;
export type Program = (typeof PROGRAMS)[number];

/** Everything optional: null means "not said", and the engine's own default stands. */
export interface PlanOptions {
  readonly context: number | null;
  readonly sequences: number | null;
  readonly ubatch: number | null;
  readonly batch: number | null;
  readonly program: Program | null;
  readonly kvTypeK: KvName | null;
  readonly kvTypeV: KvName | null;
  readonly flashAttention: "on" | "off" | "auto" | null;
  readonly kvUnified: boolean | null;
  readonly swaFull: boolean | null;
  readonly gpuLayers: number | "all" | "auto" | null;
  readonly cpuMoeLayers: number | null;
  readonly splitMode: "layer" | "none" | "row" | null;
  readonly tensorSplit: readonly number[] | null;
  readonly overrideTensor: readonly TensorOverride[] | null;
  readonly reserveBytes: number | null;
  /** Devices that share every layer. */
  readonly tensorParallel: number | null;
  /** Groups of devices, each with a run of the layers. */
  readonly pipelineParallel: number | null;
  /** Share of a device's memory that an engine takes for itself, 0 to 1. */
  readonly memoryUtilization: number | null;
  /** ik_llama.cpp -mla: how latent attention is cached and computed, 0 to 3. */
  readonly mla: number | null;
  /** ik_llama.cpp -amb, MiB: how much of attention is computed at a time. */
  readonly attentionMaxBatch: number | null;
}

/** llama.cpp `-ot REGEX=BUFFER`: the first match on a tensor's name wins. */
export interface TensorOverride {
  readonly pattern: string;
  /** "CPU", or an accelerator's buffer name such as "CUDA0". */
  readonly buffer: string;
}

export const NO_OPTIONS: PlanOptions = {
  context: null,
  sequences: null,
  ubatch: null,
  batch: null,
  program: null,
  kvTypeK: null,
  kvTypeV: null,
  flashAttention: null,
  kvUnified: null,
  swaFull: null,
  gpuLayers: null,
  cpuMoeLayers: null,
  splitMode: null,
  tensorSplit: null,
  overrideTensor: null,
  reserveBytes: null,
  tensorParallel: null,
  pipelineParallel: null,
  memoryUtilization: null,
  mla: null,
  attentionMaxBatch: null,
};
