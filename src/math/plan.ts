/** The one function behind command line, API and page: a model, options and a machine in, the contract's answer out. */
import type { ModelSpec } from "./model.ts";
import type { PlanInput } from "./plan-input.ts";
import { errorResult, plannedResult, type ResultContext, unknownResult } from "./report.ts";
import type { PlanResult } from "./result.ts";
import { refuseOwned } from "./runtime/foreign-options.ts";
import { RUNTIMES } from "./runtime/index.ts";
import type { EnginePlan } from "./runtime/runtime.ts";

/** A plan before it is written down: what the page's picture and curve are drawn from. */
export type Planned =
  | {
      readonly status: "planned";
      readonly model: ModelSpec;
      readonly plan: EnginePlan;
      readonly context: ResultContext;
    }
  | { readonly status: "answered"; readonly result: PlanResult };

export function planModel(input: PlanInput): Planned {
  const runtime = RUNTIMES[input.engine];
  const version = input.engineVersion ?? runtime.versions[0] ?? "unknown";
  const context: ResultContext = { input, version, weights: runtime };
  const { spec } = input.subject;
  if (spec.status === "unknown")
    return { status: "answered", result: unknownResult(context, spec.reason, spec.missing) };
  if (!(runtime.knows?.(version) ?? runtime.versions.includes(version))) {
    const known = runtime.versions.join(", ");
    const reason = `hwLedger knows the memory rules of ${input.engine} ${known}, not of ${version}`;
    return { status: "answered", result: unknownResult(context, reason, ["engine_version"]) };
  }
  const typed = runtime.typeWeights(spec.spec, input.weights, input.subject);
  if (typed.status === "error")
    return { status: "answered", result: errorResult(context, "usage", typed.message, typed.hint) };
  if (typed.status === "unknown")
    return { status: "answered", result: unknownResult(context, typed.reason, typed.missing) };
  const plan =
    refuseOwned(input.engine, input.options, runtime.own ?? []) ??
    runtime.plan(typed.spec, input.options, input.machine, { version });
  if (plan.status === "refused")
    return { status: "answered", result: errorResult(context, "usage", plan.reason, plan.hint) };
  return { status: "planned", model: typed.spec, plan, context };
}

/** planModel, written down as the contract has it. */
export function plan(input: PlanInput): PlanResult {
  const planned = planModel(input);
  return planned.status === "answered" ? planned.result : plannedResult(planned.context, planned.model, planned.plan);
}
