import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { specFromConfig } from "../../src/math/arch/index.ts";
import type { Device } from "../../src/math/machine.ts";
import { NO_OPTIONS } from "../../src/math/options.ts";
import { plan } from "../../src/math/plan.ts";
import type { PlanInput } from "../../src/math/plan-input.ts";
import type { PlanResult } from "../../src/math/result.ts";
import { GIB } from "../../src/math/units.ts";
import { CONFIGS, device, machineOf } from "./runtime/llama-cpp/models.ts";

const GPU: Device = { ...device("gpu", 24), usableBytes: 23.5 * GIB, freeBytes: 20 * GIB };

function inputOf(change: Partial<PlanInput> = {}): PlanInput {
  return {
    subject: {
      id: "o/n",
      source: "hub",
      revision: null,
      file: null,
      downloadBytes: 5,
      fileBytes: 7,
      spec: specFromConfig(CONFIGS["llama-3-8b"]),
      choices: [],
      warnings: ["of the model"],
    },
    weights: "Q4_K_M",
    engine: "llama.cpp",
    engineVersion: null,
    device: "test",
    options: NO_OPTIONS,
    machine: { ...machineOf([GPU], 64), warnings: ["of the machine"] },
    summary: false,
    ...change,
  };
}

function sum(list: readonly number[]): number {
  return list.reduce((total, n) => total + n, 0);
}

function expectToAddUp({ memory, devices }: PlanResult): void {
  const byLayer = (memory.by_layer ?? []).map((l) => l.weights_bytes + l.kv_cache_bytes + l.state_bytes);
  const outside = (memory.outside_layers ?? []).map((row) => row.weights_bytes);
  const rest = [memory.compute_bytes ?? 0, memory.output_bytes ?? 0, memory.overhead_bytes ?? 0];
  expect(sum([...byLayer, ...outside, ...rest])).toBe(memory.total_bytes ?? -1);
  expect(sum(memory.by_device.map((row) => row.total_bytes))).toBe(memory.total_bytes ?? -1);
  expect(sum(memory.by_device.map((row) => row.reserved_bytes))).toBe(memory.reserved_bytes ?? -1);
  memory.by_device.forEach((row, i) => {
    const has = devices[i]?.memory_bytes ?? null;
    expect(has === null || row.free_bytes === null ? 0 : has - row.reserved_bytes - row.total_bytes).toBe(
      row.free_bytes ?? 0,
    );
  });
}

describe("plan", () => {
  test("adds up, by part, by layer and by device, and says what it was made from", () => {
    const result = plan(inputOf());
    expect(result).toMatchObject({ status: "fits", tight: false, download_bytes: 5 });
    expect(result.options).toMatchObject({ weights: "Q4_K_M", device: "test", context: 8192 });
    expect(result.warnings.slice(0, 2)).toEqual(["of the model", "of the machine"]);
    expect(result.memory.by_layer?.length).toBe(32);
    expectToAddUp(result);
    // What other programs and the driver hold (24 - 20 GiB) is reserved, and the margin besides.
    expect(result.memory.reserved_bytes ?? 0).toBeGreaterThan(4 * GIB);
  });

  test("adds up whatever is asked", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 131_072 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 33 }),
        (context, sequences, gpuLayers) => {
          const result = plan(inputOf({ options: { ...NO_OPTIONS, context, sequences, gpuLayers } }));
          expect(["fits", "does_not_fit"]).toContain(result.status);
          expectToAddUp(result);
        },
      ),
      { numRuns: 6 },
    );
  });

  test("a summary leaves out the rows, and no number", () => {
    const whole = plan(inputOf());
    const short = plan(inputOf({ summary: true }));
    expect(Object.keys(short.memory)).not.toContain("by_layer");
    expect(Object.keys(short)).not.toContain("explanation");
    expect(short.memory.total_bytes).toBe(whole.memory.total_bytes ?? -1);
    expect(short.limits).toEqual(whole.limits);
  });

  test("does not fit: free memory is short by what is missing", () => {
    const result = plan(
      inputOf({ machine: machineOf([device("gpu", 4)], 64), options: { ...NO_OPTIONS, gpuLayers: "all" } }),
    );
    expect(result.status).toBe("does_not_fit");
    expect(result.memory.by_device[0]?.free_bytes ?? 0).toBeLessThan(0);
    expectToAddUp(result);
  });

  test("a device of unknown memory is planned as ample, and said to be", () => {
    const result = plan(inputOf({ machine: machineOf([device("gpu", null)], 64) }));
    expect(result.memory.by_device[0]?.free_bytes).toBeNull();
    expect(result.warnings).toContain("The size of the memory of gpu is not known: taken as ample.");
  });

  test("an unknown architecture: nothing but the bound that its files give", () => {
    const { subject } = inputOf();
    const result = plan(inputOf({ subject: { ...subject, spec: specFromConfig({ model_type: "zed" }) } }));
    expect(result).toMatchObject({
      status: "unknown",
      model: { family: "zed", layers: null, parameters: null },
      memory: { total_bytes: null, low_bytes: 7, by_device: [] },
    });
  });

  test("an engine of another version, and weights of no type", () => {
    expect(plan(inputOf({ engineVersion: "b1" }))).toMatchObject({ status: "unknown", missing: ["engine_version"] });
    expect(plan(inputOf({ weights: "Q9" }))).toMatchObject({ status: "error", error: { code: "usage" } });
  });
});
