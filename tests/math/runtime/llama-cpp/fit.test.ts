import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Machine } from "../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS } from "../../../../src/math/options.ts";
import { fitLayers } from "../../../../src/math/runtime/llama-cpp/fit.ts";
import { hostExpertLayers, hostExpertsOverride } from "../../../../src/math/runtime/llama-cpp/host-experts.ts";
import { spare, totals } from "../../../../src/math/runtime/llama-cpp/memory.ts";
import { optionsOfPlan, planLlamaCpp } from "../../../../src/math/runtime/llama-cpp/plan.ts";
import { prepare } from "../../../../src/math/runtime/llama-cpp/prepare.ts";
import { resolveOptions } from "../../../../src/math/runtime/llama-cpp/resolve.ts";
import type { LlamaCppOptions } from "../../../../src/math/runtime/llama-cpp/types.ts";
import { device, machineOf, modelOf } from "./models.ts";

const llama = modelOf("llama-3-8b");
const moe = modelOf("qwen3-30b-a3b");

function fitted(model: ModelSpec, machine: Machine, context = 8192): LlamaCppOptions {
  const resolution = resolveOptions(model, { ...NO_OPTIONS, context }, machine);
  if (resolution.status !== "ok") throw new Error(resolution.reason);
  return fitLayers(model, resolution.options, machine, (options) => prepare(model, options, machine));
}

function fits(model: ModelSpec, options: LlamaCppOptions, machine: Machine): boolean {
  const prepared = prepare(model, options, machine);
  const left = spare(prepared, totals(prepared, options.context, options.sequences));
  return left.slice(0, machine.accelerators.length).every((bytes) => bytes === null || bytes >= 0);
}

function hostExpertCount(model: ModelSpec, options: LlamaCppOptions): number {
  const onHost = hostExpertLayers(options);
  return onHost === null ? 0 : model.layers.filter((layer) => onHost(layer.index)).length;
}

describe("a dense model on one card", () => {
  test.each([3, 4, 5, 6])("%d GiB: as many layers as fit, and one more does not", (gib) => {
    const machine = machineOf([device("CUDA0", gib)]);
    const options = fitted(llama, machine);
    expect(options.overrideTensor).toEqual([]);
    expect(fits(llama, options, machine)).toBe(true);
    expect(fits(llama, { ...options, gpuLayers: options.gpuLayers + 1 }, machine)).toBe(false);
  });
});

describe("a MoE model on one card", () => {
  test.each([8, 12, 16])("%d GiB: all layers, and the experts of as few as need be in system memory", (gib) => {
    const machine = machineOf([device("CUDA0", gib)]);
    const options = fitted(moe, machine);
    const without = hostExpertCount(moe, options);
    expect(options.gpuLayers).toBe(49);
    expect(without).toBeGreaterThan(0);
    expect(fits(moe, options, machine)).toBe(true);
    // The back layers give theirs up: one fewer does not fit.
    const fewer = Array.from({ length: without - 1 }, (_, i) => 48 - (without - 1) + i);
    const more = { ...options, overrideTensor: fewer.length === 0 ? [] : [hostExpertsOverride(fewer)] };
    expect(fits(moe, more, machine)).toBe(false);
  });

  test("a card too small even so has whole layers fewer, none of them with experts", () => {
    const machine = machineOf([device("CUDA0", 2)]);
    const options = fitted(moe, machine, 16384);
    expect(options.gpuLayers).toBeLessThan(49);
    // All but the output layer.
    expect(hostExpertCount(moe, options)).toBe(Math.max(0, options.gpuLayers - 1));
    expect(fits(moe, { ...options, gpuLayers: options.gpuLayers + 1 }, machine)).toBe(false);
  });

  test("the command says it as llama.cpp takes it", () => {
    const plan = planLlamaCpp(moe, NO_OPTIONS, machineOf([device("CUDA0", 16)]));
    if (plan.status !== "planned") throw new Error(plan.reason);
    const command = plan.command({ id: null, source: null, file: "m.gguf" });
    expect(command).toMatch(/-ot 'blk\\\.\([\d|]+\|47\)\\\.ffn_\(up\|down\|gate_up\|gate\)_\(ch\|\)exps=CPU'/);
    expect(plan.spare.every((left) => left === null || left >= 0)).toBe(true);
  });
});

test("uneven cards get whole layers each, the last one first", () => {
  const machine = machineOf([device("CUDA0", 3), device("CUDA1", 5)]);
  const options = fitted(llama, machine);
  const [first = 0, last = 0] = options.tensorSplit ?? [];
  expect(first + last).toBe(options.gpuLayers);
  expect(fits(llama, options, machine)).toBe(true);
  // With one layer more, the last card is too small.
  const more = { ...options, tensorSplit: [first - 1, last + 1] };
  expect(fits(llama, more, machine)).toBe(false);
});

test("whatever the cards, what is fitted fits", () => {
  const GIB = fc.integer({ min: 2, max: 24 });
  fc.assert(
    fc.property(fc.array(GIB, { minLength: 1, maxLength: 3 }), fc.boolean(), (sizes, dense) => {
      const model = dense ? llama : moe;
      const machine = machineOf(sizes.map((gib, i) => device(`CUDA${i}`, gib)));
      expect(fits(model, fitted(model, machine), machine)).toBe(true);
    }),
    { numRuns: 25 },
  );
});

describe("--fit keeps its hands off", () => {
  test("where a person placed experts: whole layers are offloaded as they fit", () => {
    const plan = planLlamaCpp(moe, { ...NO_OPTIONS, cpuMoeLayers: 4 }, machineOf([device("CUDA0", 12)]));
    const options = plan.status === "planned" ? optionsOfPlan(plan) : null;
    expect(options).toMatchObject({ cpuMoeLayers: 4, overrideTensor: [] });
    expect(options?.gpuLayers).toBeLessThan(49);
  });

  test("in a build that has no --fit", () => {
    const plan = planLlamaCpp(moe, NO_OPTIONS, machineOf([device("CUDA0", 12)]), { version: "b7406" });
    expect(plan.status === "planned" && optionsOfPlan(plan)?.overrideTensor).toEqual([]);
  });
});

test("compute buffers follow experts wherever they were sent from", () => {
  const machine = machineOf([device("CUDA0", 24)]);
  const of = (more: Partial<typeof NO_OPTIONS>) => {
    const plan = planLlamaCpp(moe, { ...NO_OPTIONS, gpuLayers: "all", ...more }, machine);
    return plan.status === "planned" ? [...plan.total] : null;
  };
  const byNumber = of({ cpuMoeLayers: 2 });
  expect(of({ overrideTensor: [{ pattern: "blk\\.[01]\\.ffn_.*_exps", buffer: "CPU" }] })).toEqual(byNumber);
  expect(of({ overrideTensor: [hostExpertsOverride([0, 1])] })).toEqual(byNumber);
});
