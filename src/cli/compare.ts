/** `hwledger compare`. */
import { AppError } from "../errors.ts";
import { type ComparedRow, compareEngines, rankRows } from "../math/compare.ts";
import type { PlanRequest } from "../request.ts";
import { EXIT, type RunCommand } from "./command.ts";
import { compareJson } from "./compare-json.ts";
import { requestOfFlags } from "./plan-flags.ts";
import { createCommandPlanner, type Planner } from "./planner.ts";
import { renderCompare } from "./render-compare.ts";

/** More than a screen holds, and no more than a moment's work. */
const MOST_DEVICES = 16;

export const runCompare: RunCommand = async (invocation, { config, out, json }) => {
  const request = requestOfFlags(invocation);
  const everyWeights = invocation.values.get("all") === "true";
  const rows = await compareOn(devicesOf(request.device), request, everyWeights, createCommandPlanner(config));
  if (json) out.write(`${JSON.stringify(compareJson(rows), null, 2)}\n`);
  else out.write(renderCompare(rows, { styled: out.styled, columns: out.columns }));
  const statuses = new Set(rows.map(({ result }) => result.status));
  if (statuses.has("fits")) return EXIT.done;
  return statuses.has("does_not_fit") ? EXIT.doesNotFit : EXIT.unknown;
};

/** "rtx-4090,2x rtx-3090": machines apart, each a row for each engine. */
export function devicesOf(text: string): readonly string[] {
  const devices = text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (devices.length === 0 || devices.length > MOST_DEVICES) {
    throw new AppError("usage", `Cannot compare ${devices.length} devices: 1 to ${MOST_DEVICES} are wanted`, {
      hint: "write --device rtx-4090,24GiB",
    });
  }
  return [...new Set(devices)];
}

async function compareOn(
  devices: readonly string[],
  request: PlanRequest,
  everyWeights: boolean,
  planner: Planner,
): Promise<readonly ComparedRow[]> {
  const rows: ComparedRow[] = [];
  for (const device of devices) {
    const { input } = await planner.input({ ...request, device }, true);
    rows.push(...compareEngines(input, { everyWeights }));
  }
  return rankRows(rows);
}
