/** What transformers is called with, each as it was asked for or as it is by itself. */
import type { Device, Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import { type ForeignOption, refuseForeign } from "../foreign-options.ts";
import type { EngineRefusal } from "../runtime.ts";
import { isEncoder } from "../torch/encoder.ts";

export type AttentionKind = "eager" | "sdpa" | "flash_attention_2";

export interface TransformersOptions {
  readonly context: number;
  readonly sequences: number;
  readonly sequencesAsked: boolean;
  /** prefill_chunk_size; null: the whole prompt at once. */
  readonly chunk: number | null;
  readonly attention: AttentionKind;
  /** Devices that layers are spread over, in a row: device_map. */
  readonly stages: number;
  readonly reserveBytes: number;
  /** The type of weights that are not packed, which activations and caches have as well. */
  readonly type: FloatType;
  readonly elementBytes: number;
}

export type FloatType = "f32" | "f16" | "bf16";

export type TransformersResolution =
  | {
      readonly status: "ok";
      readonly options: TransformersOptions;
      /** Devices by slot, those that are used first. */
      readonly slots: readonly Device[];
      readonly warnings: readonly string[];
    }
  | EngineRefusal;

const FOREIGN: readonly ForeignOption[] = [
  "ubatch",
  "program",
  "kvUnified",
  "swaFull",
  "gpuLayers",
  "cpuMoeLayers",
  "splitMode",
  "tensorSplit",
  "overrideTensor",
  "tensorParallel",
  "memoryUtilization",
];

const DEFAULT_CONTEXT = 8192;
const OWN_BACKENDS: ReadonlySet<string> = new Set(["cuda", "rocm", "metal"]);

/** @source transformers v5.24.0 generation/configuration_utils.py, modeling_utils.py */
export function resolveTransformers(model: ModelSpec, asked: PlanOptions, machine: Machine): TransformersResolution {
  const foreign = refuseForeign("transformers", asked, FOREIGN);
  if (foreign !== null) return foreign;
  const type = floatOf(model);
  const elementBytes = type === "f32" ? 4 : 2;
  for (const asks of [asked.kvTypeK, asked.kvTypeV]) {
    if (asks === null || (type === "f32" ? asks === "F32" : asks === "BF16" || asks === "F16")) continue;
    return {
      status: "refused",
      reason: `transformers is planned with its usual cache, in the model's own type, not in ${asks.toLowerCase()}`,
      hint: `take --kv-type ${type}`,
    };
  }
  if (asked.batch !== null && isEncoder(model))
    return {
      status: "refused",
      reason: "transformers gives an encoder its whole text at once: --batch is for models that write",
      hint: "leave --batch out",
    };
  const gpus = machine.accelerators.filter(({ backend }) => OWN_BACKENDS.has(backend));
  const stages = asked.pipelineParallel ?? 1;
  const [first] = gpus;
  if (stages > Math.max(1, gpus.length)) {
    return {
      status: "refused",
      reason: `transformers spreads layers over ${stages} GPUs only where there are as many; this machine has ${gpus.length}`,
      hint: `take --pipeline-parallel ${Math.max(1, gpus.length)} or less`,
    };
  }
  if (stages > model.layers.length) {
    return {
      status: "refused",
      reason: `${stages} devices cannot share ${model.layers.length} layers`,
      hint: `take --pipeline-parallel ${model.layers.length} or less`,
    };
  }
  const rwkv = model.layers.some(({ mixers }) =>
    mixers.some((mixer) => mixer.kind === "state" && mixer.algorithm.startsWith("rwkv")),
  );
  if (rwkv)
    return { status: "refused", reason: "transformers has no rwkv of this generation", hint: "plan for llama.cpp" };
  const warnings: string[] = [];
  const context = asked.context ?? Math.min(DEFAULT_CONTEXT, model.contextTrained ?? DEFAULT_CONTEXT);
  if (model.contextTrained !== null && context > model.contextTrained)
    warnings.push(
      `The context of ${context} tokens is more than the ${model.contextTrained} the model was trained for.`,
    );
  if (first === undefined && machine.accelerators.length > 0)
    warnings.push("transformers has no back-end for this GPU: planned on the processor.");
  if (gpus.length > stages)
    warnings.push(
      `${gpus.length - stages} more GPUs are left alone: say --pipeline-parallel to spread layers over them.`,
    );
  return {
    status: "ok",
    slots: first === undefined ? [machine.host, ...machine.accelerators] : [...gpus, machine.host],
    warnings,
    options: {
      context,
      sequences: asked.sequences ?? 1,
      sequencesAsked: asked.sequences !== null,
      chunk: asked.batch,
      attention: attentionOf(model, asked.flashAttention),
      stages,
      reserveBytes: asked.reserveBytes ?? 0,
      type,
      elementBytes,
    },
  };
}

/** The cache holds the keys' own dtype. */
function floatOf({ weights }: ModelSpec): FloatType {
  const own = weights?.checkpoint?.format;
  const name = own?.status === "ok" ? own.float : weights?.name;
  return name === "f32" || name === "f16" ? name : "bf16";
}

/** Models whose class has no SDPA: attention with sinks or a soft cap. @source models/{gpt_oss,gemma2}/modeling_*.py _supports_sdpa */
const WITHOUT_SDPA: ReadonlySet<string> = new Set(["gpt_oss", "gemma2"]);

function attentionOf(model: ModelSpec, asked: PlanOptions["flashAttention"]): AttentionKind {
  if (asked === "on") return "flash_attention_2";
  if (asked === "off") return "eager";
  return model.modelType !== null && WITHOUT_SDPA.has(model.modelType) ? "eager" : "sdpa";
}
