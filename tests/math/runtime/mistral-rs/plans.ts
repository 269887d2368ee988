import type { Backend, Device, Machine } from "../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS, type PlanOptions } from "../../../../src/math/options.ts";
import { MISTRAL_RS } from "../../../../src/math/runtime/mistral-rs/index.ts";
import type { EnginePlan, EngineRefusal } from "../../../../src/math/runtime/runtime.ts";

const GIB = 2 ** 30;

function device(id: string, backend: Backend, memoryBytes: number | null): Device {
  return { id, name: id, backend, memoryBytes, usableBytes: null, freeBytes: null, bandwidthBytesPerSecond: null };
}

/** Accelerators of so many GiB each beside a host. */
export function machineOf(backend: Backend, gib: readonly number[], hostGib: number | null): Machine {
  return {
    id: "test",
    accelerators: gib.map((size, i) => device(`gpu${i}`, backend, size * GIB)),
    host: device("host", "cpu", hostGib === null ? null : hostGib * GIB),
    unified: backend === "metal",
    here: false,
    warnings: [],
  };
}

export const CPU = machineOf("cuda", [], 64);

export type Asked = Partial<PlanOptions> & { readonly weights: string | null };

export function answerOn(
  machine: Machine,
  spec: ModelSpec,
  { weights, ...options }: Asked,
): EnginePlan | EngineRefusal {
  const typed = MISTRAL_RS.typeWeights(spec, weights, { published: null, publishedWarning: null, choices: [] });
  if (typed.status !== "ok") throw new Error(typed.status === "error" ? typed.message : typed.reason);
  return MISTRAL_RS.plan(typed.spec, { ...NO_OPTIONS, ...options }, machine);
}

/** @throws when it is refused */
export function planOn(machine: Machine, spec: ModelSpec, asked: Asked): EnginePlan {
  const plan = answerOn(machine, spec, asked);
  if (plan.status !== "planned") throw new Error(plan.reason);
  return plan;
}
