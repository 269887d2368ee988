/**
 * One model on every engine and every row of the device table (its smallest size where it has several): totals alone,
 * planned from a ready ModelSpec, in the weights of each engine that come nearest to Q4_K_M. "first" has nothing prepared;
 * "again" is the median of five. An engine that does not run on a device refuses, and counts. Goal: all of them in 150 ms.
 */
import { join } from "node:path";
import { AppError } from "../../src/errors.ts";
import { machineFromText } from "../../src/hardware/machine-from-text.ts";
import { DEVICE_ROWS, sizesGb } from "../../src/hardware/table.ts";
import { specFromConfig } from "../../src/math/arch/index.ts";
import { nearest } from "../../src/math/compare.ts";
import type { Machine } from "../../src/math/machine.ts";
import type { ModelSpec } from "../../src/math/model.ts";
import { ENGINES, type EngineId, NO_OPTIONS } from "../../src/math/options.ts";
import { RUNTIMES } from "../../src/math/runtime/index.ts";
import type { Row } from "../bench.ts";
import { milliseconds, quantile } from "../bench-lib/program.ts";

export const name = "engines";

const MODELS = ["meta-llama/Meta-Llama-3.1-70B", "Qwen/Qwen3-30B-A3B"];
const CONFIGS = join(import.meta.dir, "../../tests/fixtures/models/configs.jsonl");
const SUBJECT = { choices: [] };

/** Rows that no engine has a back-end for are no machine. */
function machines(): readonly Machine[] {
  return DEVICE_ROWS.flatMap((row) => {
    const [size] = sizesGb(row);
    const several = sizesGb(row).length !== 1;
    try {
      if (row.kind === "cpu") return [machineFromText(`cpu:${size ?? 64}GiB`)];
      return [machineFromText(several ? `${row.id}:${size ?? 64}GB` : row.id)];
    } catch (error) {
      if (error instanceof AppError) return [];
      throw error;
    }
  });
}

async function specOf(model: string): Promise<ModelSpec> {
  for (const line of (await Bun.file(CONFIGS).text()).trim().split("\n")) {
    const row = JSON.parse(line) as { readonly model: string; readonly config: Record<string, unknown> };
    if (row.model !== model) continue;
    const read = specFromConfig(row.config);
    if (read.status === "ok") return read.spec;
  }
  throw new Error(`${model} is no model of the fixtures`);
}

interface Counted {
  readonly plans: number;
  readonly refused: number;
  readonly bytes: number;
}

function planAll(typed: readonly (readonly [EngineId, ModelSpec])[], on: readonly Machine[]): Counted {
  let plans = 0;
  let refused = 0;
  let bytes = 0;
  for (const [engine, spec] of typed) {
    for (const machine of on) {
      const plan = RUNTIMES[engine].plan(spec, { ...NO_OPTIONS, context: 8192 }, machine);
      if (plan.status === "refused") refused++;
      else {
        plans++;
        for (const total of plan.total) bytes += total;
      }
    }
  }
  return { plans, refused, bytes };
}

function typedFor(spec: ModelSpec): readonly (readonly [EngineId, ModelSpec])[] {
  const wanted = RUNTIMES["llama.cpp"].weightsChoices(spec, SUBJECT).find((choice) => choice.name === "Q4_K_M");
  return ENGINES.flatMap((engine) => {
    const runtime = RUNTIMES[engine];
    const choice = nearest(runtime.weightsChoices(spec, SUBJECT), wanted?.bytes ?? 1);
    const typed = choice === null ? null : runtime.typeWeights(spec, choice.name, SUBJECT);
    return typed?.status === "ok" ? [[engine, typed.spec] as const] : [];
  });
}

export async function run(): Promise<readonly Row[]> {
  const on = machines();
  const rows: Row[] = [];
  for (const model of MODELS) {
    const typed = typedFor(await specOf(model));
    const times: number[] = [];
    let counted: Counted = { plans: 0, refused: 0, bytes: 0 };
    for (let i = 0; i < 6; i++) {
      const from = performance.now();
      counted = planAll(typed, on);
      times.push(performance.now() - from);
    }
    rows.push({
      model,
      engines: typed.length,
      devices: on.length,
      plans: counted.plans,
      refused: counted.refused,
      firstMs: milliseconds(times[0] ?? Number.NaN),
      againMs: milliseconds(quantile(times.slice(1), 0.5)),
    });
  }
  return rows;
}
