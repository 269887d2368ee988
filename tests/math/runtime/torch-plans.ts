import type { Backend, Device, Machine } from "../../../src/math/machine.ts";
import type { ModelSpec } from "../../../src/math/model.ts";
import { NO_OPTIONS, type PlanOptions } from "../../../src/math/options.ts";
import type { EnginePlan, EngineRefusal, Runtime } from "../../../src/math/runtime/runtime.ts";
import { GIB } from "../../../src/math/units.ts";

function device(id: string, name: string, gib: number, backend: Backend): Device {
  return {
    id,
    name,
    backend,
    memoryBytes: gib * GIB,
    usableBytes: null,
    freeBytes: null,
    bandwidthBytesPerSecond: null,
  };
}

/** So many GPUs of one kind, or of several sizes. */
export function gpus(sizes: readonly number[], name = "NVIDIA RTX 4090", backend: Backend = "cuda"): Machine {
  return {
    id: `${sizes.length} x ${name}`,
    accelerators: sizes.map((gib, i) => device(`gpu${i}`, name, gib, backend)),
    host: device("cpu", "CPU", 64, "cpu"),
    unified: false,
    here: false,
    warnings: [],
  };
}

const SUBJECT = { choices: [], published: null, publishedWarning: null };

/** @throws {Error} when the runtime does not load such weights */
export function typed(runtime: Runtime, spec: ModelSpec, weights: string): ModelSpec {
  const answer = runtime.typeWeights(spec, weights, SUBJECT);
  if (answer.status !== "ok") throw new Error(`${weights}: not loaded`);
  return answer.spec;
}

export function attempt(
  runtime: Runtime,
  spec: ModelSpec,
  machine: Machine,
  asked: Partial<PlanOptions> = {},
  weights = "bf16",
): EnginePlan | EngineRefusal {
  return runtime.plan(typed(runtime, spec, weights), { ...NO_OPTIONS, ...asked }, machine);
}

/** @throws {Error} when the plan is refused */
export function planned(...args: Parameters<typeof attempt>): EnginePlan {
  const plan = attempt(...args);
  if (plan.status !== "planned") throw new Error(plan.reason);
  return plan;
}

export const fits = ({ spare }: EnginePlan): boolean => spare.every((left) => left === null || left >= 0);

export function sum(bytes: Iterable<number>): number {
  let all = 0;
  for (const one of bytes) all += one;
  return all;
}
