import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RawConfig } from "../../../../src/math/arch/family.ts";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import type { Backend, Device, Machine } from "../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS, type PlanOptions } from "../../../../src/math/options.ts";
import { EXLLAMAV3 } from "../../../../src/math/runtime/exllamav3/index.ts";
import type { EnginePlan, EngineRefusal } from "../../../../src/math/runtime/runtime.ts";

const GIB = 2 ** 30;

interface Published {
  readonly model: string;
  readonly config: RawConfig;
}

export const PUBLISHED = readFileSync(join(import.meta.dir, "../../../fixtures/models/configs.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Published);

export function spec(name: string): ModelSpec {
  const found = PUBLISHED.find(({ model }) => model === name);
  const read = found === undefined ? null : specFromConfig(found.config);
  if (read?.status !== "ok") throw new Error(`no ${name}`);
  return read.spec;
}

function device(id: string, backend: Backend, memoryBytes: number): Device {
  return { id, name: id, backend, memoryBytes, usableBytes: null, freeBytes: null, bandwidthBytesPerSecond: null };
}

/** GPUs of so many GiB each beside a host. */
export function gpus(gib: readonly number[], backend: Backend = "cuda"): Machine {
  return {
    id: "test",
    accelerators: gib.map((size, i) => device(`gpu${i}`, backend, size * GIB)),
    host: device("host", "cpu", 512 * GIB),
    unified: false,
    here: false,
    warnings: [],
  };
}

export type Asked = Partial<PlanOptions> & { readonly weights: string };

export function answerOn(
  machine: Machine,
  model: ModelSpec,
  { weights, ...options }: Asked,
): EnginePlan | EngineRefusal {
  const typed = EXLLAMAV3.typeWeights(model, weights, { published: null, publishedWarning: null, choices: [] });
  if (typed.status !== "ok") throw new Error(typed.status === "error" ? typed.message : typed.reason);
  return EXLLAMAV3.plan(typed.spec, { ...NO_OPTIONS, ...options }, machine);
}

/** @throws when it is refused */
export function planOn(machine: Machine, model: ModelSpec, asked: Asked): EnginePlan {
  const plan = answerOn(machine, model, asked);
  if (plan.status !== "planned") throw new Error(plan.reason);
  return plan;
}
