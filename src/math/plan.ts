/** The one function behind command line, API and page: a model, options and a machine in, the contract's answer out. */
import { EXTRA_FLAGS, extrasAsked, NO_EXTRAS } from "./extras.ts";
import type { ModelSpec } from "./model.ts";
import type { PlanInput } from "./plan-input.ts";
import { errorResult, plannedResult, type ResultContext, unknownResult } from "./report.ts";
import type { PlanResult } from "./result.ts";
import { refuseOwned } from "./runtime/foreign-options.ts";
import { RUNTIMES } from "./runtime/index.ts";
import type { EnginePlan, EngineRefusal, Runtime } from "./runtime/runtime.ts";

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
    refuseExtra(input, runtime) ??
    runtime.plan(typed.spec, input.options, input.machine, { version, extras: input.extras ?? NO_EXTRAS });
  if (plan.status === "refused")
    return { status: "answered", result: errorResult(context, "usage", plan.reason, plan.hint) };
  return { status: "planned", model: typed.spec, plan, context };
}

/** What is asked for beside the model and this engine is not planned with. */
function refuseExtra({ engine, extras }: PlanInput, runtime: Runtime): EngineRefusal | null {
  const kind = extrasAsked(extras ?? NO_EXTRAS).find((asked) => runtime.extras?.includes(asked) !== true);
  if (kind === undefined) return null;
  const flag = EXTRA_FLAGS[kind];
  const engines = Object.values<Runtime>(RUNTIMES).filter((other) => other.extras?.includes(kind) === true);
  return {
    status: "refused",
    reason: `hwLedger cannot plan ${engine} with ${flag}`,
    hint: `leave ${flag} out and count its memory on top, or plan for ${engines.map(({ id }) => id).join(" or ")}`,
  };
}

/** planModel, written down as the contract has it. */
export function plan(input: PlanInput): PlanResult {
  const planned = planModel(input);
  return planned.status === "answered" ? planned.result : plannedResult(planned.context, planned.model, planned.plan);
}
