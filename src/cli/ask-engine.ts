/** `--ask-engine`: the plan, with what the engine itself says beside it. */
import type { Config } from "../config.ts";
import { ENGINE_TABLE } from "../engines/index.ts";
import { ACCOUNTING_COMMAND } from "../engines/llama-cpp/accounting-child.ts";
import { planModel } from "../math/plan.ts";
import { plannedResult } from "../math/report.ts";
import type { PlanResult } from "../math/result.ts";
import type { PlanRequest } from "../request.ts";
import type { Planner } from "./planner.ts";

export async function planAndAsk(
  planner: Planner,
  request: PlanRequest,
  summary: boolean,
  config: Config,
): Promise<PlanResult> {
  const { input, opened } = await planner.input(request, summary);
  const planned = planModel(input);
  if (planned.status === "answered") return planned.result;
  const result = plannedResult(planned.context, planned.model, planned.plan);
  const { askPlan } = ENGINE_TABLE[request.engine];
  if (askPlan === null) {
    const unasked = `${request.engine} was not asked: it does not say what it would take without loading the model.`;
    return { ...result, warnings: [...result.warnings, unasked] };
  }
  const answer = await askPlan(
    { header: opened.gguf, model: planned.model, plan: planned.plan, planned: result.memory },
    {
      dataFolder: config.dataDir,
      spawn: { command: [...config.self, ACCOUNTING_COMMAND], env: config.environment },
      signal: null,
      timeoutMs: null,
    },
  );
  if (answer.status === "answered") {
    return {
      ...result,
      memory: { ...result.memory, asked: answer.asked },
      warnings: [...result.warnings, ...answer.differences],
    };
  }
  const hint = answer.hint === null ? "" : ` (${answer.hint})`;
  return { ...result, warnings: [...result.warnings, `${request.engine} was not asked: ${answer.reason}${hint}`] };
}
