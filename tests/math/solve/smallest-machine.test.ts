import { expect, test } from "bun:test";
import { machinesBySize } from "../../../src/hardware/by-size.ts";
import { NO_OPTIONS, type PlanOptions } from "../../../src/math/options.ts";
import { planModel } from "../../../src/math/plan.ts";
import type { PlanInput } from "../../../src/math/plan-input.ts";
import { firstThatRuns } from "../../../src/math/solve/smallest-machine.ts";
import { GIB } from "../../../src/math/units.ts";
import { specOfModel } from "../../fixtures/models/read.ts";

function asked(model: string, options: Partial<PlanOptions> = {}): Omit<PlanInput, "machine"> {
  return {
    subject: {
      id: model,
      source: "hub",
      revision: null,
      file: null,
      downloadBytes: null,
      spec: { status: "ok", spec: specOfModel(model), warnings: [] },
      choices: [],
      warnings: [],
    },
    weights: "Q4_K_M",
    engine: "llama.cpp",
    engineVersion: null,
    device: "smallest",
    options: { ...NO_OPTIONS, context: 8192, ...options },
    summary: true,
  };
}

test("machines come by memory, then by bandwidth", () => {
  const sizes = machinesBySize().map(({ accelerators }) => accelerators[0]?.memoryBytes ?? 0);
  expect(sizes.length).toBeGreaterThan(200);
  expect([...sizes].sort((a, b) => a - b)).toEqual(sizes);
});

test.each(["Qwen/Qwen3-0.6B", "Qwen/Qwen3-30B-A3B", "meta-llama/Meta-Llama-3-70B"])(
  "%s: the one found fits, and none before it does, each tried by hand",
  (model) => {
    const input = asked(model);
    const machines = machinesBySize();
    const found = firstThatRuns(input, machines);
    if (found === null) throw new Error("none");
    const fits = (i: number): boolean => {
      const machine = machines[i];
      if (machine === undefined) return false;
      const planned = planModel({ ...input, machine, options: { ...input.options, gpuLayers: "all" } });
      return planned.status === "planned" && planned.plan.spare.every((left) => left === null || left >= 0);
    };
    const at = machines.indexOf(found);
    expect(fits(at)).toBe(true);
    for (let i = 0; i < at; i++) expect(fits(i)).toBe(false);
  },
);

test("Llama-3-70B in Q4_K_M, 39.6 GiB, needs more than 40 GB and less than 60", () => {
  const found = firstThatRuns(asked("meta-llama/Meta-Llama-3-70B"), machinesBySize());
  const bytes = found?.accelerators[0]?.memoryBytes ?? 0;
  expect(bytes).toBeGreaterThan(40 * GIB);
  expect(bytes).toBeLessThan(64 * GIB);
});

test("what no device runs has none", () => {
  expect(
    firstThatRuns(asked("deepseek-ai/DeepSeek-V3", { context: 131072, sequences: 64 }), machinesBySize()),
  ).toBeNull();
});
