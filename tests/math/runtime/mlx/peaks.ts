/** Measured peaks of mlx-lm (tests/fixtures/mlx) beside what is planned for them. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Machine } from "../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS } from "../../../../src/math/options.ts";
import { MLX } from "../../../../src/math/runtime/mlx/index.ts";
import type { EnginePlan } from "../../../../src/math/runtime/runtime.ts";
import { specOfModel } from "../../../fixtures/models/read.ts";

export interface PeakRow {
  readonly id: string;
  readonly model: string;
  readonly measured: string;
  readonly version: string;
  readonly source: string;
  readonly device: string;
  readonly weights: string;
  readonly prompt_tokens: number;
  readonly peak_gb: number;
  readonly fit: boolean;
}

const FILE = resolve(import.meta.dir, "../../../fixtures/mlx/peaks.jsonl");

export function peakRows(): readonly PeakRow[] {
  return readFileSync(FILE, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as PeakRow);
}

/** A Mac of 512 GiB, as most rows were measured on. */
export const MAC: Machine = {
  id: "mac",
  accelerators: [
    {
      id: "metal0",
      name: "Apple M3 Ultra",
      backend: "metal",
      memoryBytes: 512 * 2 ** 30,
      usableBytes: 384 * 2 ** 30,
      freeBytes: null,
      bandwidthBytesPerSecond: null,
    },
  ],
  host: {
    id: "host",
    name: "System memory",
    backend: "cpu",
    memoryBytes: 512 * 2 ** 30,
    usableBytes: null,
    freeBytes: null,
    bandwidthBytesPerSecond: null,
  },
  unified: true,
  here: false,
  warnings: [],
};

/** A model in one of MLX's formats. */
export function typedAs(spec: ModelSpec, weights: string): ModelSpec {
  const typed = MLX.typeWeights(spec, weights, { published: null, publishedWarning: null, choices: [] });
  if (typed.status !== "ok") throw new Error(`Cannot type as ${weights}: ${JSON.stringify(typed)}`);
  return typed.spec;
}

export function planOf(row: PeakRow): EnginePlan {
  const model = typedAs(specOfModel(row.model), row.weights);
  const plan = MLX.plan(model, { ...NO_OPTIONS, context: row.prompt_tokens }, MAC);
  if (plan.status !== "planned") throw new Error(`Cannot plan ${row.id}: ${plan.reason}`);
  return plan;
}

export interface JudgedPeak {
  readonly row: PeakRow;
  readonly predicted: number;
  readonly low: number;
  readonly high: number;
  /** |predicted / measured - 1| */
  readonly error: number;
}

export function judgePeak(row: PeakRow): JudgedPeak {
  const plan = planOf(row);
  const predicted = (plan.total[0] ?? 0) / 1e9;
  return {
    row,
    predicted,
    low: plan.low / 1e9,
    high: plan.high / 1e9,
    error: Math.abs(predicted / row.peak_gb - 1),
  };
}

/** The value that `share` of the errors do not exceed. */
export function quantile(errors: readonly number[], share: number): number {
  const sorted = errors.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
