/** ExLlamaV3's options, each as it was asked for or as TabbyAPI sets it. */
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { KvName, PlanOptions } from "../../options.ts";
import { type ForeignOption, refuseForeign } from "../foreign-options.ts";
import type { EngineRefusal } from "../runtime.ts";
import { supportOf } from "./support.ts";
import type { CacheBits, ExllamaOptions } from "./types.ts";

/** hwLedger's own default, cut to what the model was trained for. */
const DEFAULT_CONTEXT = 8192;
/** @source theroyallab/tabbyAPI@e632af41eba68abeadc3437c62674360f2f8cbf1 common/config_models.py ModelConfig */
const DEFAULT_CHUNK = 2048;
const LEAST_CHUNK = 256;
/** On the first GPU of several, and on the rest and on one alone. @source the same autosplit_reserve; exllamav3 v1.4.1 model/model.py load_gen */
const FIRST_RESERVE = 96 * 2 ** 20;
const RESERVE = 512 * 2 ** 20;

const FOREIGN: readonly ForeignOption[] = [
  "ubatch",
  "program",
  "flashAttention",
  "kvUnified",
  "swaFull",
  "gpuLayers",
  "splitMode",
  "tensorSplit",
  "overrideTensor",
  "pipelineParallel",
  "memoryUtilization",
];

export type ExllamaResolution =
  | { readonly status: "ok"; readonly options: ExllamaOptions; readonly warnings: readonly string[] }
  | EngineRefusal;

export function resolveExllama(model: ModelSpec, asked: PlanOptions, machine: Machine): ExllamaResolution {
  const refused =
    refuseForeign("ExLlamaV3", asked, FOREIGN) ??
    refuseModel(model) ??
    refuseMachine(machine) ??
    refuseSpread(model, asked, machine);
  if (refused !== null) return refused;
  const bits = bitsOf(asked);
  if (bits !== null && "status" in bits) return bits;

  const trained = model.contextTrained;
  const context = asked.context ?? Math.min(DEFAULT_CONTEXT, trained ?? DEFAULT_CONTEXT);
  const chunk = LEAST_CHUNK * Math.ceil(Math.max(LEAST_CHUNK, asked.batch ?? DEFAULT_CHUNK) / LEAST_CHUNK);
  const several = machine.accelerators.length > 1;
  const options: ExllamaOptions = {
    context,
    sequences: asked.sequences ?? 1,
    bits,
    chunk,
    tensorParallel: asked.tensorParallel ?? 1,
    cpuMoeLayers: asked.cpuMoeLayers ?? 0,
    reserveBytes: machine.accelerators.map(
      (_, i) => asked.reserveBytes ?? (several && i === 0 ? FIRST_RESERVE : RESERVE),
    ),
    reserveAsked: asked.reserveBytes !== null,
  };
  return { status: "ok", options, warnings: warningsOf(model, asked, options) };
}

function refuseModel(model: ModelSpec): EngineRefusal | null {
  const hint = "plan for llama.cpp, or for another engine";
  if (supportOf(model) === null) {
    const type = model.modelType ?? model.architecture;
    return { status: "refused", reason: `ExLlamaV3 1.4.1 does not load models of the type "${type}"`, hint };
  }
  const inputs = [model.outside, ...model.layers.map(({ tensors }) => tensors)].flat();
  if (inputs.some(({ name }) => name.includes("per_layer_token_embd")))
    return {
      status: "refused",
      reason: "ExLlamaV3 1.4.1 has no embeddings for each layer (gemma 4 E2B and E4B)",
      hint,
    };
  if (inputs.some(({ name, shape }) => name.endsWith("ffn_up_exps.weight") && shape[0] !== model.embeddingLength))
    return { status: "refused", reason: "ExLlamaV3 1.4.1 has no experts narrower than the hidden state", hint };
  return null;
}

function refuseMachine({ accelerators }: Machine): EngineRefusal | null {
  const other = accelerators.find(({ backend }) => backend !== "cuda");
  if (accelerators.length > 0 && other === undefined) return null;
  return {
    status: "refused",
    reason: `ExLlamaV3 computes on NVIDIA GPUs only${other === undefined ? ", and this machine has none" : `: not on ${other.name}`}`,
    hint: "take --device with a GPU such as rtx-4090, or plan for another engine",
  };
}

function refuseSpread(model: ModelSpec, asked: PlanOptions, { accelerators }: Machine): EngineRefusal | null {
  const ranks = asked.tensorParallel ?? 1;
  if (ranks === 1) return null;
  if (ranks > accelerators.length) {
    return {
      status: "refused",
      reason: `ExLlamaV3 cannot share layers among ${ranks} GPUs where there are ${accelerators.length}`,
      hint: "take a smaller --tensor-parallel",
    };
  }
  if (supportOf(model)?.tensorParallel !== true) {
    return {
      status: "refused",
      reason: `ExLlamaV3 1.4.1 does not share layers of models of the type "${model.modelType}" among GPUs`,
      hint: "leave --tensor-parallel out: whole layers go to each GPU",
    };
  }
  if ((asked.cpuMoeLayers ?? 0) === 0) return null;
  return {
    status: "refused",
    reason: "ExLlamaV3 computes experts on the CPU only where whole layers lie on GPUs",
    hint: "leave --cpu-moe or --tensor-parallel out",
  };
}

const BITS: Partial<Record<KvName, number>> = { Q2: 2, Q3: 3, Q4: 4, Q5: 5, Q6: 6, Q7: 7, Q8: 8 };

function bitsOf({ kvTypeK, kvTypeV }: PlanOptions): CacheBits | EngineRefusal {
  const k = kvTypeK ?? kvTypeV;
  const v = kvTypeV ?? kvTypeK;
  if (k === null || v === null || (k === "F16" && v === "F16")) return null;
  const [kBits, vBits] = [BITS[k], BITS[v]];
  if (kBits !== undefined && vBits !== undefined) return { k: kBits, v: vBits };
  return {
    status: "refused",
    reason: `ExLlamaV3 has no cache of ${k.toLowerCase()}${k === v ? "" : ` and ${v.toLowerCase()}`}`,
    hint: "take f16, or q2 to q8 for both keys and values",
  };
}

function warningsOf(model: ModelSpec, asked: PlanOptions, options: ExllamaOptions): string[] {
  const warnings: string[] = [];
  const recurrent = model.layers.some(({ mixers }) => mixers.some(({ kind }) => kind === "state"));
  if (model.contextTrained !== null && options.context > model.contextTrained)
    warnings.push(
      `The context of ${options.context} tokens is more than the ${model.contextTrained} the model was trained for.`,
    );
  if (recurrent || supportOf(model)?.rings === true)
    warnings.push("ExLlamaV3 keeps checkpoints of states in system memory, up to 4 GiB; they are not counted here.");
  if (model.modelType === "deepseek_v3")
    warnings.push("ExLlamaV3 1.4.1 does not choose experts by groups, and refuses a model whose n_group is above 1.");
  if (options.cpuMoeLayers > 0)
    warnings.push("Experts on the CPU must have been packed with the mul1 code book; others stay on the GPU.");
  if (asked.batch !== null && asked.batch !== options.chunk)
    warnings.push(`TabbyAPI computes whole multiples of 256 tokens at once: ${options.chunk}.`);
  return warnings;
}
