/**
 * LM Studio loads GGUF models with llama.cpp: four requests at once over one shared cache, 2048/512 tokens a batch, flash
 * attention on, layers by llama.cpp's own fit.
 * @source @lmstudio/sdk 2.0.0 from npm, the schema of llm.load (numParallelSessions 4, useUnifiedKvCache true,
 *   llama.evalBatchSize 2048, llama.physicalBatchSize 512, llama.autoFit true). Its fallback of 2048 tokens of context is
 *   not the app's, which starts with 4096; its flashAttention false neither: the app switches it on where llama.cpp has it.
 */
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import { PRESET_WEIGHTS } from "../../weights-choice.ts";
import { refuseForeign } from "../foreign-options.ts";
import { planLlamaCpp } from "../llama-cpp/plan.ts";
import type { EnginePlan, EngineRefusal, Runtime } from "../runtime.ts";
import { DEFAULT_SESSIONS, lmStudioCommand } from "./command.ts";

export const LM_STUDIO: Runtime = {
  id: "lmstudio",
  versions: ["0.4"],
  difference: (model) => {
    const windowed = model.layers.some((layer) => layer.mixers.some(({ kind }) => kind === "sliding"));
    const states = model.layers.some((layer) => layer.mixers.some(({ kind }) => kind === "state"));
    const more = [...(windowed ? ["windows"] : []), ...(states ? ["recurrent states"] : [])];
    const shared = "LM Studio holds four requests at once over one cache of llama.cpp's that they share";
    return more.length === 0 ? shared : `${shared}, and ${more.join(" and ")} for each of them`;
  },
  ...PRESET_WEIGHTS,
  kvOffered: ["f16", "q8_0", "q4_0"],
  asked: true,
  plan: planLmStudio,
};

/** @source the app's own default; see above */
const DEFAULT_CONTEXT = 4096;

const FOREIGN = [
  "program",
  "swaFull",
  "splitMode",
  "tensorSplit",
  "overrideTensor",
  "tensorParallel",
  "pipelineParallel",
  "memoryUtilization",
] as const;

function planLmStudio(model: ModelSpec, asked: PlanOptions, machine: Machine): EnginePlan | EngineRefusal {
  const foreign = refuseForeign("LM Studio", asked, FOREIGN);
  if (foreign !== null) return foreign;
  return planLlamaCpp(
    model,
    {
      ...asked,
      context: asked.context ?? Math.min(DEFAULT_CONTEXT, model.contextTrained ?? DEFAULT_CONTEXT),
      sequences: asked.sequences ?? DEFAULT_SESSIONS,
      kvUnified: asked.kvUnified ?? true,
      program: "llama-server",
    },
    machine,
    { version: null },
    {
      name: "LM Studio",
      fits: true,
      warnings: [],
      command: (options, source) => lmStudioCommand(options, asked, model, source),
    },
  );
}
