/** mistral.rs's options, each as it was asked for or as mistral.rs itself sets it. */
import { type Machine, plannableBytes } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { KvName, PlanOptions } from "../../options.ts";
import { type ForeignOption, refuseForeign } from "../foreign-options.ts";
import type { EngineRefusal } from "../runtime.ts";
import { GROW_TOKENS } from "./caches.ts";
import { reserveOf } from "./mapper.ts";
import { residentFormat, unreadType } from "./resident.ts";
import { supportOf } from "./support.ts";
import type { MistralOptions } from "./types.ts";

/** hwLedger's own default, cut to what the model was trained for. */
const DEFAULT_CONTEXT = 8192;

/** mistral.rs has nothing like these. */
const FOREIGN: readonly ForeignOption[] = [
  "ubatch",
  "batch",
  "program",
  "flashAttention",
  "kvUnified",
  "swaFull",
  "cpuMoeLayers",
  "splitMode",
  "tensorSplit",
  "overrideTensor",
  "pipelineParallel",
];

/** Cache types by where the cache lies. The CPU's 16 bits need AVX2 or NEON with half floats. */
const CPU_KV: Partial<Record<KvName, MistralOptions["kvType"]>> = { F16: "f16", F32: "f32" };
const GPU_KV: Partial<Record<KvName, MistralOptions["kvType"]>> = { F16: "auto", BF16: "auto", FP8: "f8e4m3" };
const KV_BYTES: Readonly<Record<MistralOptions["kvType"], number>> = { auto: 2, f16: 2, f32: 4, f8e4m3: 1 };

export type MistralResolution =
  | { readonly status: "ok"; readonly options: MistralOptions; readonly warnings: readonly string[] }
  | EngineRefusal;

export function resolveMistral(model: ModelSpec, asked: PlanOptions, machine: Machine): MistralResolution {
  const refused =
    refuseForeign("mistral.rs", asked, FOREIGN) ??
    refuseModel(model) ??
    refuseMachine(machine) ??
    refuseSpread(model, asked, machine);
  if (refused !== null) return refused;

  const backend = machine.accelerators[0]?.backend ?? "cpu";
  const gpu = backend !== "cpu";
  const tensorParallel = asked.tensorParallel ?? 1;
  const gpuLayers = gpu && tensorParallel === 1 ? layersAsked(asked.gpuLayers, model.layers.length) : null;
  // No paged attention where any layer is computed by the CPU; on Metal it is off unless asked for.
  const paged = backend === "cuda" && (gpuLayers === null || gpuLayers === model.layers.length);
  const onCpu = !gpu || gpuLayers === 0;

  const kv = kvTypeOf(asked, onCpu, paged);
  if (typeof kv !== "string") return kv;
  if (asked.memoryUtilization !== null && !paged) {
    return {
      status: "refused",
      reason:
        "mistral.rs takes a share of the memory only with paged attention, which is for CUDA and for models wholly on GPUs",
      hint: "leave --memory-utilization out",
    };
  }

  const trained = model.contextTrained;
  const most = trained === null ? null : longestContext(trained, paged);
  const context = asked.context ?? Math.min(DEFAULT_CONTEXT, most ?? DEFAULT_CONTEXT);
  if (most !== null && context > most) {
    return {
      status: "refused",
      reason: `mistral.rs stops at ${most} tokens of a sequence with this model; ${context} were asked for`,
      hint: `take --context ${most} or less`,
    };
  }
  const wide = residentFormat(model)?.id === "f32";
  const options: MistralOptions = {
    context,
    sequences: asked.sequences ?? 1,
    paged,
    kvType: kv,
    kvBytes: KV_BYTES[kv],
    typeBytes: onCpu || wide ? 4 : 2,
    utilization: asked.memoryUtilization,
    tensorParallel,
    gpuLayers,
    reserveBytes: reserves(machine, asked.reserveBytes),
  };
  return { status: "ok", options, warnings: warningsOf(model, options, onCpu) };
}

/** null: the device map decides. */
function layersAsked(asked: PlanOptions["gpuLayers"], layers: number): number | null {
  if (asked === "all") return layers;
  return typeof asked === "number" ? Math.min(asked, layers) : null;
}

/** By slot: of each accelerator as asked or as the device map keeps; of system memory alone only what was asked. */
function reserves({ accelerators }: Machine, asked: number | null): readonly number[] {
  if (accelerators.length === 0) return asked === null ? [] : [asked];
  return accelerators.map((device) => asked ?? reserveOf(plannableBytes(device) ?? 0));
}

/** A growing cache may not have room for more than the model was trained for, and it grows by whole steps. */
export function longestContext(trained: number, paged: boolean): number {
  return paged ? trained : Math.max(GROW_TOKENS, Math.floor(trained / GROW_TOKENS) * GROW_TOKENS);
}

function refuseModel(model: ModelSpec): EngineRefusal | null {
  if (supportOf(model) === null) {
    const name = model.modelType ?? model.architecture;
    return {
      status: "refused",
      reason: `mistral.rs 0.9.2 does not load ${model.modelType === null ? "GGUF files of the architecture" : "models of the type"} "${name}"`,
      hint: "plan for llama.cpp, or for another engine",
    };
  }
  const unread = unreadType(model);
  if (unread === null) return null;
  return {
    status: "refused",
    reason: `mistral.rs does not read ggml's type ${unread.type}, which "${unread.name}" has`,
    hint: "take another file of the model, such as Q4_K_M",
  };
}

function refuseMachine(machine: Machine): EngineRefusal | null {
  const other = machine.accelerators.find(({ backend }) => backend !== "cuda" && backend !== "metal");
  if (other === undefined) return null;
  return {
    status: "refused",
    reason: `mistral.rs computes on NVIDIA GPUs, Apple's and CPUs: not on ${other.name}`,
    hint: "name the memory as cpu:64GiB, or plan for another engine",
  };
}

function refuseSpread(model: ModelSpec, asked: PlanOptions, machine: Machine): EngineRefusal | null {
  const ranks = asked.tensorParallel ?? 1;
  if (ranks === 1) return null;
  const there = machine.accelerators.filter(({ backend }) => backend === "cuda").length;
  if (ranks > there) {
    return {
      status: "refused",
      reason: `mistral.rs shares layers among NVIDIA GPUs only, and this machine has ${there} of the ${ranks}`,
      hint: "take a smaller --tensor-parallel",
    };
  }
  if (asked.gpuLayers !== null && typeof asked.gpuLayers === "number") {
    return {
      status: "refused",
      reason: "mistral.rs puts every layer on all GPUs when they share layers",
      hint: "leave --gpu-layers or --tensor-parallel out",
    };
  }
  for (const { mixers } of model.layers) {
    for (const mixer of mixers) {
      const kvHeads =
        mixer.kind === "full" || mixer.kind === "sliding" || mixer.kind === "chunked" ? mixer.kvHeads : ranks;
      if (mixer.heads % ranks === 0 && (kvHeads % ranks === 0 || ranks % kvHeads === 0)) continue;
      return {
        status: "refused",
        reason: `mistral.rs cannot share ${mixer.heads} heads with ${kvHeads} for keys and values among ${ranks} GPUs`,
        hint: "take a --tensor-parallel that divides them",
      };
    }
  }
  return null;
}

function kvTypeOf(asked: PlanOptions, onCpu: boolean, paged: boolean): MistralOptions["kvType"] | EngineRefusal {
  const k = asked.kvTypeK ?? asked.kvTypeV;
  const v = asked.kvTypeV ?? asked.kvTypeK;
  if (k !== v) {
    return { status: "refused", reason: "mistral.rs has one type for keys and values", hint: "name one --kv-type" };
  }
  if (k === null) return onCpu ? "f16" : "auto";
  const type = (onCpu ? CPU_KV : GPU_KV)[k];
  if (type === undefined || (type === "f8e4m3" && !paged)) {
    const where = onCpu ? "on a CPU" : paged ? "with paged attention" : "without paged attention";
    const names = onCpu ? "f16 or f32" : paged ? "f16, bf16 or fp8" : "f16 or bf16";
    return {
      status: "refused",
      reason: `mistral.rs has no cache type ${k.toLowerCase()} ${where}`,
      hint: `take ${names}`,
    };
  }
  return type;
}

function warningsOf(model: ModelSpec, { paged, tensorParallel }: MistralOptions, onCpu: boolean): string[] {
  const warnings: string[] = [];
  const format = residentFormat(model);
  if (onCpu && format !== null && format.id !== "f32" && format.method === "plain")
    warnings.push("On a CPU mistral.rs turns 16-bit weights into 32 bits: twice the file's size.");
  const table = model.weights?.checkpoint?.table ?? null;
  if (supportOf(model)?.tower === true && table === null)
    warnings.push("mistral.rs loads the model's vision or audio tower as well; it is not counted here.");
  if (!paged)
    warnings.push(
      "mistral.rs keeps the caches of up to 16 finished sequences beside the running ones; the command turns that off with --prefix-cache-n 0.",
    );
  if (tensorParallel > 1) warnings.push("Sharing layers needs a build of mistral.rs with NCCL.");
  return warnings;
}
