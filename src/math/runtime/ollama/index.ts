/**
 * Ollama runs llama-server as a child, one for each model, with flags of its own.
 * @source ollama/ollama@fb30760996871fa9460115c753afd2c60d4ab0f7 (v0.33.0-rc2, llama.cpp b10488): llm/llama_server.go startLlamaServer, server/sched.go, server/routes.go
 */
import { NO_EXTRAS } from "../../extras.ts";
import { type Machine, plannableBytes } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import { EXACT, sizeWeights } from "../../parts/weights.ts";
import { GIB, MIB } from "../../units.ts";
import { PRESET_WEIGHTS } from "../../weights-choice.ts";
import { refuseForeign } from "../foreign-options.ts";
import type { Layout } from "../llama-cpp/kept-layout.ts";
import { planLlamaCpp } from "../llama-cpp/plan.ts";
import type { EnginePlan, EngineRefusal, Loading, Runtime } from "../runtime.ts";
import { ollamaCommand } from "./command.ts";

export const OLLAMA: Runtime = {
  id: "ollama",
  versions: ["0.33.0"],
  difference: () =>
    "Ollama runs llama.cpp's server for one request at a time by default, takes its context from the size of all GPUs together and computes up to 2,048 tokens a step when that seems to fit",
  extras: ["projector", "adapters"],
  ...PRESET_WEIGHTS,
  kvOffered: ["f16", "q8_0", "q4_0"],
  asked: true,
  plan: planOllama,
};

const FOREIGN = [
  "program",
  "kvUnified",
  "swaFull",
  "cpuMoeLayers",
  "splitMode",
  "tensorSplit",
  "overrideTensor",
  "tensorParallel",
  "pipelineParallel",
  "memoryUtilization",
] as const;

function planOllama(
  model: ModelSpec,
  asked: PlanOptions,
  machine: Machine,
  loading: Loading = { version: null },
): EnginePlan | EngineRefusal {
  return refuse(asked) ?? planLaidOut(model, asked, machine, loading, null);
}

/** @param layout where another load of the same model lies; null: it is found anew */
function planLaidOut(
  model: ModelSpec,
  asked: PlanOptions,
  machine: Machine,
  loading: Loading,
  layout: Layout | null,
): EnginePlan | EngineRefusal {
  const { extras = NO_EXTRAS } = loading;
  const trained = model.contextTrained ?? Number.POSITIVE_INFINITY;
  const wanted = asked.context ?? defaultContext(machine);
  const context = Math.min(wanted, trained);
  const sequences = asked.sequences ?? 1;
  const predicted = predictedBytes(model, context * sequences);
  const said = asked.batch ?? asked.ubatch;
  const batch = said ?? automaticBatch(context * sequences, predicted, machine, asked.flashAttention === "off");
  const warnings =
    wanted > trained
      ? [`Ollama cuts the context of ${wanted} tokens to the ${trained} that the model was trained for.`]
      : [];
  const alone = oneGpu(machine, predicted, layout?.gpuLayers ?? asked.gpuLayers);
  return planLlamaCpp(
    model,
    {
      ...asked,
      context,
      sequences,
      batch,
      ubatch: batch,
      program: "llama-server",
      splitMode: alone ? "none" : null,
      ...layout,
    },
    machine,
    { version: null, extras },
    {
      name: "Ollama",
      fits: true,
      warnings,
      again: (load, there) => planLaidOut(model, { ...asked, context, sequences, ...load }, machine, loading, there),
      command: (options, source, weights) => ollamaCommand(options, { asked, extras }, source, weights),
    },
  );
}

function refuse(asked: PlanOptions): EngineRefusal | null {
  const foreign = refuseForeign("Ollama", asked, FOREIGN);
  if (foreign !== null) return foreign;
  if (asked.kvTypeK !== asked.kvTypeV) {
    return {
      status: "refused",
      reason: "Ollama has one type for K and V: OLLAMA_KV_CACHE_TYPE",
      hint: "take one --kv-type for both",
    };
  }
  if (asked.batch !== null && asked.ubatch !== null && asked.batch !== asked.ubatch) {
    return {
      status: "refused",
      reason: "Ollama has one batch size: num_batch is n_batch and n_ubatch",
      hint: "leave --ubatch out, or give --batch the same number",
    };
  }
  return null;
}

/**
 * By the memory of all GPUs together: 262144 from 47 GiB, 32768 from 23 GiB, else 4096.
 * @source server/routes.go Serve
 */
function defaultContext(machine: Machine): number {
  const total = machine.accelerators.reduce((sum, { memoryBytes }) => sum + (memoryBytes ?? 0), 0);
  if (total >= 47 * GIB) return 262_144;
  return total >= 23 * GIB ? 32_768 : 4096;
}

/**
 * Ollama's own guess before it starts anything: the file + 2 · layers · fewest KV heads · embedding / heads · n_ctx · 2 B.
 * The file is taken as its tensors.
 * @source llm/llama_server.go PredictServerVRAM
 */
function predictedBytes(model: ModelSpec, contextTotal: number): number {
  let kvHeads = Number.POSITIVE_INFINITY;
  let heads = 0;
  for (const layer of model.layers) {
    for (const mixer of layer.mixers) {
      if (mixer.kind === "state") continue;
      kvHeads = Math.min(kvHeads, mixer.kind === "latent" ? 1 : mixer.kvHeads);
      heads = Math.max(heads, mixer.heads);
    }
  }
  const headDim = heads === 0 ? 0 : Math.floor(model.embeddingLength / heads);
  const kv = 4 * model.layers.length * (Number.isFinite(kvHeads) ? kvHeads : 1) * headDim * contextTotal;
  return sizeWeights(model, EXACT).total + kv;
}

/** num_batch by n_ctx, the largest first, with the share of the GPUs' memory that the guess may take and what it adds to it. */
const BATCHES = [
  { tokens: 2048, above: 32_768, share: 0.6, surcharge: 2 * GIB },
  { tokens: 1024, above: 4096, share: 0.75, surcharge: 768 * MIB },
] as const;
const DEFAULT_NUM_BATCH = 512;
/** CUDA with at most 8 GiB, no flash attention and more than 4096 tokens. */
const CONSTRAINED_NUM_BATCH = 256;

/** @source server/sched.go automaticGenerationBatch, generationBatchFits */
function automaticBatch(contextTotal: number, predicted: number, machine: Machine, plain: boolean): number {
  const gpus = machine.accelerators;
  if (plain && gpus.some(({ backend }) => backend === "cuda")) {
    const small = gpus.some((gpu) => gpu.backend === "cuda" && (plannableBytes(gpu) ?? Infinity) <= 8 * GIB);
    return contextTotal > 4096 && small ? CONSTRAINED_NUM_BATCH : DEFAULT_NUM_BATCH;
  }
  const available = gpus.reduce((sum, gpu) => sum + (plannableBytes(gpu) ?? 0), 0);
  const fitting = BATCHES.find(
    ({ above, share, surcharge }) =>
      contextTotal > above &&
      (available === 0 || (predicted <= available * share && predicted + surcharge <= available * 0.8)),
  );
  return fitting?.tokens ?? DEFAULT_NUM_BATCH;
}

/** Of several GPUs only one is used when the guess fits it. @source server/sched.go selectLlamaServerPlacement */
function oneGpu(machine: Machine, predicted: number, gpuLayers: PlanOptions["gpuLayers"]): boolean {
  const [first] = machine.accelerators;
  if (first === undefined || machine.accelerators.length === 1 || gpuLayers === 0) return false;
  return predicted <= 0.8 * (plannableBytes(first) ?? 0);
}
