/** `hwledger plan`. */
import { AppError } from "../errors.ts";
import type { PlanResult } from "../math/result.ts";
import { EXIT, type RunCommand } from "./command.ts";
import { requestOfFlags } from "./plan-flags.ts";
import { createCommandPlanner } from "./planner.ts";
import { renderPlan } from "./render-plan.ts";

export const runPlan: RunCommand = async (invocation, { config, out, json }) => {
  const { values, positionals } = invocation;
  const requests = values.get("requests");
  if (requests !== undefined) {
    if (positionals.length > 0) {
      throw new AppError(
        "usage",
        `Cannot plan "${positionals[0]}" and --requests together: each request names its model`,
        {
          hint: "leave MODEL out",
        },
      );
    }
    const { runRequests } = await import("./requests.ts");
    return await runRequests(requests, values.get("summary") === "true", config);
  }
  const request = requestOfFlags(invocation);
  const summary = values.get("summary") === "true";
  const planner = createCommandPlanner(config);
  const result = request.askEngine
    ? await (await import("./ask-engine.ts")).planAndAsk(planner, request, summary, config)
    : await planner.plan(request, summary);
  if (json) out.write(`${JSON.stringify(result, null, 2)}\n`);
  else if (result.error === undefined) {
    out.write(
      renderPlan(result, { styled: out.styled, columns: out.columns, explain: values.get("explain") === "true" }),
    );
  } else
    throw new AppError(result.error.code === "usage" ? "usage" : "engine", result.error.message, {
      hint: result.error.hint,
    });
  return planStatus(result);
};

/** The exit status that stands for an answer. */
export function planStatus(result: PlanResult): number {
  switch (result.status) {
    case "fits":
      return EXIT.done;
    case "does_not_fit":
      return EXIT.doesNotFit;
    case "unknown":
      return EXIT.unknown;
    case "error":
      return result.error?.code === "usage" ? EXIT.usage : EXIT.failed;
    default:
      return result.status satisfies never;
  }
}
