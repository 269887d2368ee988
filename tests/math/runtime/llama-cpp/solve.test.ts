import { describe, expect, test } from "bun:test";
import { NO_OPTIONS, type PlanOptions } from "../../../../src/math/options.ts";
import { planLlamaCpp } from "../../../../src/math/runtime/llama-cpp/plan.ts";
import { device, machineOf, modelOf } from "./models.ts";

const moe = modelOf("qwen3-30b-a3b");
const llama = modelOf("llama-3-8b");

function limitsOf(model: typeof moe, sizes: readonly number[], asked: Partial<PlanOptions> = {}) {
  const machine = machineOf(sizes.map((gib, i) => device(`CUDA${i}`, gib)));
  const planOf = (options: Partial<PlanOptions>) => {
    const plan = planLlamaCpp(model, { ...NO_OPTIONS, ...asked, ...options }, machine);
    if (plan.status === "refused") throw new Error(plan.reason);
    return plan;
  };
  const fits = (options: Partial<PlanOptions>) => planOf(options).spare.every((left) => left === null || left >= 0);
  return { limits: planOf({}).limits(), fits };
}

describe("experts in system memory: as many as named fit, one fewer does not", () => {
  test.each([6, 10, 14, 18])("%d GiB", (gib) => {
    const { limits, fits } = limitsOf(moe, [gib]);
    const layers = limits.cpuMoeLayers ?? -1;
    expect(layers).toBeGreaterThan(0);
    expect(fits({ gpuLayers: "all", cpuMoeLayers: layers })).toBe(true);
    expect(fits({ gpuLayers: "all", cpuMoeLayers: layers - 1 })).toBe(false);
  });

  test("none where all fit, and no answer without experts or a card, or where the rest is too large", () => {
    expect(limitsOf(moe, [48]).limits.cpuMoeLayers).toBe(0);
    expect(limitsOf(llama, [48]).limits.cpuMoeLayers).toBeNull();
    expect(limitsOf(moe, []).limits.cpuMoeLayers).toBeNull();
    expect(limitsOf(moe, [1]).limits.cpuMoeLayers).toBeNull();
  });
});

describe("a split of all layers over uneven cards", () => {
  test.each([
    [[4, 8], 0],
    [[8, 4], 1],
    [[3, 3, 6], 2],
  ] as const)("%p GiB: it fits, and with a layer more the last card does not", (sizes) => {
    const { limits, fits } = limitsOf(llama, sizes);
    const split = limits.tensorSplit ?? [];
    expect(split.reduce((sum, layers) => sum + layers, 0)).toBe(33);
    expect(fits({ gpuLayers: "all", tensorSplit: split })).toBe(true);
    const from = split.findIndex((layers) => layers > 0);
    const last = split.length - 1;
    if (from !== last) {
      const more = split.map((layers, i) => layers + (i === last ? 1 : 0) - (i === from ? 1 : 0));
      expect(fits({ gpuLayers: "all", tensorSplit: more })).toBe(false);
    }
  });

  test("none for one card, and none where they do not fit", () => {
    expect(limitsOf(llama, [24]).limits.tensorSplit).toBeNull();
    expect(limitsOf(llama, [3, 3]).limits.tensorSplit).toBeNull();
  });
});

describe("the limits of before, by brute force", () => {
  test.each([
    [8, 2],
    [12, 1],
  ])("%d GiB, %d sequences: the longest context fits, 256 tokens more do not", (gib, sequences) => {
    const { limits, fits } = limitsOf(llama, [gib], { sequences, gpuLayers: "all" });
    const context = limits.maxContext ?? 0;
    expect(fits({ context })).toBe(true);
    expect(fits({ context: context + 256 })).toBe(false);
  });

  test("the most sequences fit, one more does not", () => {
    const { limits, fits } = limitsOf(llama, [12], { gpuLayers: "all", context: 4096 });
    const sequences = limits.maxSequences ?? 0;
    expect(fits({ sequences })).toBe(true);
    expect(fits({ sequences: sequences + 1 })).toBe(false);
  });
});
