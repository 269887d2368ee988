/** `hwledger compare`. */
import { devicesOf } from "../devices-of.ts";
import { type ComparedRow, compareEngines, rankRows } from "../math/compare.ts";
import { compareJson } from "../math/compare-json.ts";
import type { PlanRequest } from "../request.ts";
import { EXIT, type RunCommand } from "./command.ts";
import { requestOfFlags } from "./plan-flags.ts";
import { createCommandPlanner, type Planner } from "./planner.ts";
import { renderCompare } from "./render-compare.ts";

export const runCompare: RunCommand = async (invocation, { config, out, json }) => {
  const request = requestOfFlags(invocation);
  const everyWeights = invocation.values.get("all") === "true";
  const rows = await compareOn(devicesOf(request.device), request, everyWeights, createCommandPlanner(config));
  if (json) out.write(`${JSON.stringify(compareJson(rows), null, 2)}\n`);
  else out.write(renderCompare(rows, { styled: out.styled, columns: out.columns }));
  const statuses = new Set(rows.map(({ result }) => result.status));
  if (statuses.size === 1 && statuses.has("error")) return EXIT.usage;
  if (statuses.has("fits")) return EXIT.done;
  return statuses.has("does_not_fit") ? EXIT.doesNotFit : EXIT.unknown;
};

async function compareOn(
  devices: readonly string[],
  request: PlanRequest,
  everyWeights: boolean,
  planner: Planner,
): Promise<readonly ComparedRow[]> {
  const rows: ComparedRow[] = [];
  for (const device of devices) {
    const { input } = await planner.input({ ...request, device }, true, true);
    rows.push(...compareEngines(input, { everyWeights }));
  }
  return rankRows(rows);
}
