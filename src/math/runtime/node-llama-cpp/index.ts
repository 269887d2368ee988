/**
 * node-llama-cpp is llama.cpp's C API in Node: a cache of its own for each sequence, one batch size for both of
 * llama.cpp's, a row of logits for each token of a batch.
 * @source withcatai/node-llama-cpp@f53ea51d1e44fc5f7ff08aa0c430e06e94b2cda2 src/evaluator/LlamaContext/LlamaContext.ts,
 *   src/bindings/getLlama.ts, llama/addon/AddonContext.cpp; 3.22.1 from npm, which brings llama.cpp v0.5.0
 */
import { type Machine, plannableBytes } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import { GIB } from "../../units.ts";
import { PRESET_WEIGHTS } from "../../weights-choice.ts";
import { refuseForeign } from "../foreign-options.ts";
import { planLlamaCpp } from "../llama-cpp/plan.ts";
import { DEFAULT_CONTEXT } from "../llama-cpp/resolve.ts";
import type { EnginePlan, EngineRefusal, Runtime } from "../runtime.ts";
import { nodeCommand } from "./command.ts";

export const NODE_LLAMA_CPP: Runtime = {
  id: "node-llama-cpp",
  versions: ["3.22.1"],
  difference: () =>
    "node-llama-cpp runs llama.cpp with batches of 512 tokens and logits of a whole batch, and keeps 8 % of a GPU free, at most 1.6 GiB",
  ...PRESET_WEIGHTS,
  kvOffered: ["f16", "q8_0", "q4_0"],
  asked: true,
  plan: planNode,
};

const FOREIGN = [
  "program",
  "kvUnified",
  "cpuMoeLayers",
  "splitMode",
  "tensorSplit",
  "overrideTensor",
  "tensorParallel",
  "pipelineParallel",
  "memoryUtilization",
] as const;

/** getDefaultContextBatchSize: min(context · sequences, 512). */
const DEFAULT_BATCH = 512;
/** defaultLlamaVramPadding: min(8 % of the memory, 1.6 GiB). */
const PADDING_SHARE = 0.08;
const MOST_PADDING = 1.6 * GIB;

function planNode(model: ModelSpec, asked: PlanOptions, machine: Machine): EnginePlan | EngineRefusal {
  const foreign = refuseForeign("node-llama-cpp", asked, FOREIGN);
  if (foreign !== null) return foreign;
  if (asked.batch !== null && asked.ubatch !== null && asked.batch !== asked.ubatch) {
    return {
      status: "refused",
      reason: "node-llama-cpp has one batch size: batchSize is n_batch and n_ubatch",
      hint: "leave --ubatch out, or give --batch the same number",
    };
  }
  const context = asked.context ?? Math.min(DEFAULT_CONTEXT, model.contextTrained ?? DEFAULT_CONTEXT);
  const sequences = asked.sequences ?? 1;
  const said = asked.batch ?? asked.ubatch ?? Math.min(context * sequences, DEFAULT_BATCH);
  const batchSize = Math.max(said, sequences);
  // One token more where a window would let the oldest go too early.
  const windowed = asked.swaFull !== true && model.layers.some((layer) => layer.mixers.some(hasWindow));
  const batch = batchSize + (windowed ? 1 : 0);
  return planLlamaCpp(
    model,
    {
      ...asked,
      context,
      sequences,
      batch,
      ubatch: batch,
      program: "api",
      reserveBytes: asked.reserveBytes ?? padding(machine),
    },
    machine,
    { version: null },
    {
      name: "node-llama-cpp",
      fits: false,
      warnings: [],
      command: (options, source, weights) => nodeCommand(options, { batchSize, machine }, source, weights),
    },
  );
}

function hasWindow(mixer: ModelSpec["layers"][number]["mixers"][number]): boolean {
  return "window" in mixer && mixer.window !== null;
}

/** The padding is of all GPUs together; the largest share of one stands for each. */
function padding(machine: Machine): number {
  const sizes = machine.accelerators.map((device) => device.memoryBytes ?? plannableBytes(device) ?? 0);
  const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
  const share = sizes.length === 0 ? 0 : 1 / sizes.length;
  return Math.floor(Math.min(total * PADDING_SHARE, MOST_PADDING) * share);
}
