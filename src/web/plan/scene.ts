/**
 * Everything the page shows of one plan, computed once: the answer of the contract, the columns of the picture, where KV
 * grows. Pure, and the same on the server and in the browser, so a reload shows what the sliders showed.
 */
import type { Machine } from "../../math/machine.ts";
import type { ModelSpec } from "../../math/model.ts";
import { planModel } from "../../math/plan.ts";
import type { PlanInput } from "../../math/plan-input.ts";
import { plannedResult, type ResultContext } from "../../math/report.ts";
import type { PlanLimits, PlanResult } from "../../math/result.ts";
import type { EnginePlan } from "../../math/runtime/runtime.ts";

/** A step of the context in which growth is told. */
export const GROWTH_TOKENS = 1024;

export interface Scene {
  readonly input: PlanInput;
  readonly machine: Machine;
  readonly result: PlanResult;
  /** null: the answer is unknown or an error. */
  readonly drawn: DrawnPlan | null;
}

/** A plan with numbers to draw. */
export type DrawnScene = Scene & { readonly drawn: DrawnPlan };

export function isDrawn(scene: Scene): scene is DrawnScene {
  return scene.drawn !== null;
}

export interface DrawnPlan {
  /** Typed as the plan has it. */
  readonly model: ModelSpec;
  readonly plan: EnginePlan;
  readonly context: number;
  readonly sequences: number;
  /** Bytes by which each layer's caches grow with the next GROWTH_TOKENS tokens. */
  readonly growth: Float64Array;
  /** KV of each layer at the longest context that fits; null when that is not known. */
  readonly limitKv: Float64Array | null;
}

/** The plan with everything that stands on the page. */
export function sceneOf(input: PlanInput): Scene {
  return sceneWith(input, (context, model, plan) => plannedResult(context, model, plan));
}

/**
 * The plan while a hand moves it: what fits is not solved anew in each frame but taken over from the last rest, and what is
 * only in tables is left out.
 */
export function movingScene(input: PlanInput, limits: PlanLimits): Scene {
  const taken = {
    maxContext: limits.max_context,
    maxSequences: limits.max_sequences,
    gpuLayers: limits.gpu_layers,
  };
  return sceneWith(input, (context, model, plan) => {
    const brief = { ...context, input: { ...context.input, summary: true } };
    return plannedResult(brief, model, { ...plan, limits: () => taken });
  });
}

type WriteDown = (context: ResultContext, model: ModelSpec, plan: EnginePlan) => PlanResult;

function sceneWith(input: PlanInput, writeDown: WriteDown): Scene {
  const planned = planModel(input);
  if (planned.status === "answered") return { input, machine: input.machine, result: planned.result, drawn: null };
  const result = writeDown(planned.context, planned.model, planned.plan);
  const context = numberOption(result, "context");
  const limit = result.limits.max_context;
  const kv = planned.plan.layers.kv;
  const next = kvAt(input, planned.plan, context + GROWTH_TOKENS) ?? kv;
  return {
    input,
    machine: input.machine,
    result,
    drawn: {
      model: planned.model,
      plan: planned.plan,
      context,
      sequences: numberOption(result, "sequences"),
      growth: kv.map((bytes, i) => Math.max(0, (next[i] ?? bytes) - bytes)),
      limitKv: limit === null ? null : limit === context ? kv : kvAt(input, planned.plan, limit),
    },
  };
}

/** KV of each layer at another context, with the layers where they are. */
function kvAt(input: PlanInput, plan: EnginePlan, context: number): Float64Array | null {
  const gpuLayers = plan.options.gpu_layers;
  const options = { ...input.options, context, gpuLayers: typeof gpuLayers === "number" ? gpuLayers : null };
  const there = planModel({ ...input, options });
  return there.status === "planned" ? there.plan.layers.kv : null;
}

export function numberOption(result: PlanResult, name: string): number {
  const value = result.options[name];
  return typeof value === "number" ? value : 0;
}
