/** Which accelerators an engine spreads a model over, and why it cannot. */
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import type { EngineRefusal } from "../runtime.ts";
import type { Ranks } from "./assemble.ts";
import { refuseRanks } from "./share.ts";

export type ChosenRanks =
  | { readonly status: "ok"; readonly ranks: Ranks; readonly warnings: readonly string[] }
  | EngineRefusal;

/** States that these engines have kernels for. */
const KNOWN_STATES: ReadonlySet<string> = new Set(["mamba1", "mamba2", "gated-delta", "kda", "short-conv"]);

/** One device unless more are asked for: none of these engines takes all that are there. */
export function chooseRanks(engine: string, model: ModelSpec, asked: PlanOptions, machine: Machine): ChosenRanks {
  const ranks: Ranks = { tensor: asked.tensorParallel ?? 1, pipeline: asked.pipelineParallel ?? 1 };
  const [first] = machine.accelerators;
  const usable = first !== undefined && (first.backend === "cuda" || first.backend === "rocm");
  if (!usable) {
    return {
      status: "refused",
      reason: `${engine} is planned for NVIDIA GPUs and for AMD GPUs with ROCm: ${machine.id} has none`,
      hint: "name a device such as rtx-4090 or mi300x, or plan for another engine",
    };
  }
  for (const { mixers } of model.layers) {
    for (const mixer of mixers) {
      if (mixer.kind !== "state" || KNOWN_STATES.has(mixer.algorithm)) continue;
      return {
        status: "refused",
        reason: `${engine} has no kernels for ${mixer.algorithm} layers`,
        hint: "plan for llama.cpp",
      };
    }
  }
  const wanted = ranks.tensor * ranks.pipeline;
  const there = machine.accelerators.length;
  if (wanted > there) {
    const product = ranks.pipeline === 1 ? `${wanted}` : `${ranks.tensor} × ${ranks.pipeline}`;
    return {
      status: "refused",
      reason: `${engine} wants ${product} GPUs for that; this machine has ${there}`,
      hint: `take --tensor-parallel ${largestPower(there)}, or a device such as "${wanted}x rtx-4090"`,
    };
  }
  if (ranks.pipeline > model.layers.length) {
    return {
      status: "refused",
      reason: `${ranks.pipeline} stages cannot share ${model.layers.length} layers`,
      hint: `take --pipeline-parallel ${model.layers.length} or less`,
    };
  }
  const indivisible = refuseRanks(model.layers, ranks.tensor);
  if (indivisible !== null)
    return {
      status: "refused",
      reason: `${engine} cannot share this model: ${indivisible}`,
      hint: "take a number that divides them",
    };
  return { status: "ok", ranks, warnings: idle(engine, there - wanted) };
}

function idle(engine: string, unused: number): string[] {
  if (unused <= 0) return [];
  const gpus = unused === 1 ? "1 GPU is" : `${unused} GPUs are`;
  return [`${gpus} left alone: ${engine} takes more than one only with --tensor-parallel or --pipeline-parallel.`];
}

function largestPower(count: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, count)));
}
