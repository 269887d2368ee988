/** vLLM's options, each as it was asked for or as vLLM itself sets it. */
import type { Device, Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { KvName, PlanOptions } from "../../options.ts";
import { GIB } from "../../units.ts";
import { type ForeignOption, refuseForeign } from "../foreign-options.ts";
import type { EngineRefusal } from "../runtime.ts";
import type { Ranks } from "../torch/assemble.ts";
import { memoryOf, shareBeside, smallerShare } from "../torch/memory.ts";
import { chooseRanks } from "../torch/ranks.ts";
import type { VllmRules } from "./rules.ts";

export interface VllmOptions {
  readonly context: number;
  readonly sequences: number;
  /** Said by the user, and so to vLLM. */
  readonly sequencesAsked: boolean;
  /** max_num_batched_tokens: tokens computed in one step. */
  readonly batch: number;
  readonly batchAsked: boolean;
  /** max_num_seqs while nobody says a number. */
  readonly defaultSequences: number;
  readonly kvType: "auto" | "fp8" | "fp8_e5m2";
  readonly swaFull: boolean;
  readonly ranks: Ranks;
  /** Share of a device's memory that vLLM takes. */
  readonly utilization: number;
}

export type VllmResolution =
  | { readonly status: "ok"; readonly options: VllmOptions; readonly warnings: readonly string[] }
  | EngineRefusal;

const FOREIGN: readonly ForeignOption[] = [
  "ubatch",
  "program",
  "flashAttention",
  "kvUnified",
  "gpuLayers",
  "cpuMoeLayers",
  "splitMode",
  "tensorSplit",
  "overrideTensor",
];

const DEFAULT_CONTEXT = 8192;

const KV_TYPES: Partial<Record<KvName, VllmOptions["kvType"]>> = {
  F16: "auto",
  BF16: "auto",
  FP8: "fp8",
  FP8_E5M2: "fp8_e5m2",
};

export function resolveVllm(model: ModelSpec, asked: PlanOptions, machine: Machine, rules: VllmRules): VllmResolution {
  const foreign = refuseForeign("vLLM", asked, FOREIGN);
  if (foreign !== null) return foreign;
  const chosen = chooseRanks("vLLM", model, asked, machine);
  if (chosen.status === "refused") return chosen;
  const kvType = resolveKvType(asked.kvTypeK, asked.kvTypeV);
  if (typeof kvType !== "string") return kvType;
  const [device] = machine.accelerators;
  if (device === undefined) throw new RangeError("Cannot plan ranks without an accelerator");

  const warnings = [...chosen.warnings];
  const context = asked.context ?? Math.min(DEFAULT_CONTEXT, model.contextTrained ?? DEFAULT_CONTEXT);
  if (model.contextTrained !== null && context > model.contextTrained) {
    return {
      status: "refused",
      reason: `vLLM refuses a context of ${context} tokens: the model was trained for ${model.contextTrained}`,
      hint: `take --context ${model.contextTrained} or less`,
    };
  }
  const defaults = defaultsFor(device);
  const batch = asked.batch ?? Math.max(defaults.batch, asked.sequences ?? 0);
  if (asked.sequences !== null && asked.sequences > batch) {
    return {
      status: "refused",
      reason: `vLLM computes a token of each sequence in one step: ${asked.sequences} sequences do not go into a batch of ${batch}`,
      hint: `take --sequences ${batch} or fewer, or a larger --batch`,
    };
  }
  const utilization =
    smallerShare(asked.memoryUtilization, utilizationOf(asked.reserveBytes, machine, chosen.ranks)) ??
    rules.utilization;
  if (utilization <= 0) {
    return {
      status: "refused",
      reason: "vLLM wants a share of the memory above 0",
      hint: `leave --memory-utilization out, or take ${rules.utilization}`,
    };
  }
  return {
    status: "ok",
    warnings,
    options: {
      context,
      sequences: asked.sequences ?? 1,
      sequencesAsked: asked.sequences !== null,
      batch,
      batchAsked: asked.batch !== null || batch !== defaults.batch,
      defaultSequences: Math.min(defaults.sequences, batch),
      kvType,
      swaFull: asked.swaFull ?? false,
      ranks: chosen.ranks,
      utilization,
    },
  };
}

function resolveKvType(k: KvName | null, v: KvName | null): VllmOptions["kvType"] | EngineRefusal {
  const [keys, values] = [k ?? "BF16", v ?? k ?? "BF16"];
  const type = KV_TYPES[keys];
  if (type !== undefined && KV_TYPES[values] === type) return type;
  const name = (type === undefined ? keys : values).toLowerCase();
  return {
    status: "refused",
    reason:
      type === undefined || KV_TYPES[values] === undefined
        ? `vLLM has no cache type ${name}`
        : "vLLM keeps keys and values in one type",
    hint: "take one of bf16, fp8, fp8_e5m2",
  };
}

/** Keeping so much free is taking a smaller share: down to a thousandth, on the smallest device. */
function utilizationOf(reserveBytes: number | null, machine: Machine, ranks: Ranks): number | null {
  if (reserveBytes === null) return null;
  let share = 1;
  for (const device of machine.accelerators.slice(0, ranks.tensor * ranks.pipeline)) {
    const memory = memoryOf(device);
    if (memory !== null) share = Math.min(share, shareBeside(reserveBytes, memory));
  }
  return share;
}

/**
 * max_num_batched_tokens and max_num_seqs of `vllm serve` by the device's memory.
 * @source vLLM v0.33.0 engine/arg_utils.py get_batch_defaults; from 70 GiB since v0.9, from 160 GiB newer
 */
function defaultsFor(device: Device): { readonly batch: number; readonly sequences: number } {
  const memory = memoryOf(device) ?? 0;
  if (memory >= 160 * GIB) return { batch: 16_384, sequences: 1024 };
  if (memory >= 70 * GIB && !/a100|gb10/i.test(device.name)) return { batch: 8192, sequences: 1024 };
  return { batch: 2048, sequences: 256 };
}
