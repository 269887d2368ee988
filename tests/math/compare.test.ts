import { describe, expect, test } from "bun:test";
import { specFromConfig } from "../../src/math/arch/index.ts";
import { type ComparedRow, compareEngines, nearest, rankRows } from "../../src/math/compare.ts";
import { ENGINES, NO_OPTIONS } from "../../src/math/options.ts";
import { plan } from "../../src/math/plan.ts";
import type { PlanInput } from "../../src/math/plan-input.ts";
import type { PlanResult } from "../../src/math/result.ts";
import { RUNTIMES } from "../../src/math/runtime/index.ts";
import { CONFIGS, device, machineOf } from "./runtime/llama-cpp/models.ts";

function inputOf(change: Partial<PlanInput> = {}): PlanInput {
  return {
    subject: {
      id: "o/n",
      source: "hub",
      revision: null,
      file: null,
      downloadBytes: null,
      spec: specFromConfig(CONFIGS["llama-3-8b"]),
      choices: [],
      warnings: [],
    },
    weights: "Q4_K_M",
    engine: "llama.cpp",
    engineVersion: null,
    device: "24GiB",
    options: { ...NO_OPTIONS, context: 4096 },
    machine: machineOf([device("gpu", 24)], 64),
    summary: true,
    ...change,
  };
}

const rowOf = (rows: readonly ComparedRow[], engine: string): PlanResult | undefined =>
  rows.find(({ result }) => result.engine.id === engine)?.result;

describe("comparing engines", () => {
  const rows = compareEngines(inputOf());

  test("every engine has a row, and the engine that was asked for has the plan it has alone", () => {
    expect(rows.map(({ result }) => result.engine.id).toSorted()).toEqual([...ENGINES].toSorted());
    expect(rowOf(rows, "llama.cpp")).toEqual(plan(inputOf()));
  });

  test("an engine without these weights is compared in its own that come nearest in size", () => {
    const bytes = rowOf(rows, "llama.cpp")?.memory.weights_bytes ?? 0;
    const vllm = rowOf(rows, "vllm");
    expect(vllm?.options.weights).not.toBe("Q4_K_M");
    // 4 bits and scales: within a fifth of Q4_K_M's 4.9 bits a weight.
    expect((vllm?.memory.weights_bytes ?? 0) / bytes).toBeGreaterThan(0.8);
    expect((vllm?.memory.weights_bytes ?? 0) / bytes).toBeLessThan(1.2);
  });

  test("a context that nobody said is the same for all, whatever their own defaults", () => {
    const unsaid = compareEngines(inputOf({ options: NO_OPTIONS }), { engines: ["llama.cpp", "ollama", "lmstudio"] });
    for (const { result } of unsaid) expect(result.options).toMatchObject({ context: 8192 });
  });

  test("who cannot be planned with a draft model is planned without, and says so", () => {
    const base = specFromConfig(CONFIGS["llama-3-8b"]);
    const typed = base.status === "ok" ? RUNTIMES["llama.cpp"].typeWeights(base.spec, "Q4_0", { choices: [] }) : null;
    if (typed?.status !== "ok") throw new Error("not typed");
    const extras = { draft: { name: "d.gguf", model: typed.spec }, projector: null, adapters: [] };
    const drafted = compareEngines(inputOf({ extras }), { engines: ["llama.cpp", "node-llama-cpp"] });
    const without = rowOf(compareEngines(inputOf(), { engines: ["llama.cpp"] }), "llama.cpp")?.memory.total_bytes ?? 0;
    expect(rowOf(drafted, "llama.cpp")?.memory.total_bytes).toBeGreaterThan(without);
    expect(rowOf(drafted, "node-llama-cpp")?.warnings.join()).toContain("with --draft");
    expect(rowOf(drafted, "node-llama-cpp")?.memory.total_bytes).toBeGreaterThan(0);
  });

  test("who has memory numbers says what it does otherwise", () => {
    for (const { result, difference } of rows) {
      if (result.memory.total_bytes === null) expect(difference).toBeNull();
      else expect(difference).toMatch(/\w+.*\w$|\.$/);
    }
  });

  test("a cache type of one engine is left out for the others, and their rows say so", () => {
    const asked = compareEngines(
      inputOf({ options: { ...NO_OPTIONS, context: 4096, kvTypeK: "Q4_0", kvTypeV: "Q4_0" } }),
    );
    const warnings = rowOf(asked, "vllm")?.warnings ?? [];
    expect(rowOf(asked, "vllm")?.status).not.toBe("error");
    expect(warnings.filter((warning) => warning.startsWith("Planned without what vllm does not have"))).toHaveLength(1);
    expect(rowOf(asked, "llama.cpp")?.options.kv_type).toBe("q4_0");
  });

  test("each option that is refused is left out, and no other: the rest stays as asked", () => {
    const options = {
      ...NO_OPTIONS,
      context: 4096,
      flashAttention: "off",
      ubatch: 256,
      memoryUtilization: 0.8,
    } as const;
    const vllm = compareEngines(inputOf({ options }), { engines: ["vllm"] }).find(
      ({ difference }) => difference !== null,
    );
    expect(vllm?.result.options.memory_utilization).toBe(0.8);
    const [said = ""] = vllm?.result.warnings.filter((warning) => warning.startsWith("Planned without")) ?? [];
    expect(said).toContain("--flash-attention");
    expect(said).toContain("--ubatch");
    expect(vllm?.asked.options).toMatchObject({ flashAttention: null, ubatch: null, memoryUtilization: 0.8 });
  });

  test("with every weights, each engine has a row for each of its choices", () => {
    const every = compareEngines(inputOf(), { engines: ["llama.cpp"], everyWeights: true });
    const names = every.map(({ result }) => result.options.weights);
    expect(names.length).toBeGreaterThan(20);
    expect(new Set(names).size).toBe(names.length);
  });

  test("two cards: an engine that shares layers among them takes both where one is too small", () => {
    const two = inputOf({ weights: "BF16", machine: machineOf([device("a", 12), device("b", 12)], 64) });
    for (const options of [two.options, { ...two.options, flashAttention: "off" } as const]) {
      const vllm = rowOf(compareEngines({ ...two, options }, { engines: ["vllm"] }), "vllm");
      expect(vllm?.options.tensor_parallel).toBe(2);
    }
  });

  test("a model nobody knows is unknown for each engine", () => {
    const spec = specFromConfig({ model_type: "zed" });
    for (const { result, difference } of compareEngines(inputOf({ subject: { ...inputOf().subject, spec } }))) {
      expect([result.status, difference]).toEqual(["unknown", null]);
    }
  });
});

describe("ranking", () => {
  const base = plan(inputOf());
  const row = (change: Partial<PlanResult>, total = 10, context: number | null = 100, asked = 100): ComparedRow => ({
    result: {
      ...base,
      memory: { ...base.memory, total_bytes: total },
      limits: { ...base.limits, max_context: context },
      ...change,
    },
    difference: null,
    asked: { weights: null, options: { ...NO_OPTIONS, context: asked } },
  });

  test("what fits, partly in system memory, tightly, not at all, unknown, impossible; what was cut after what was not; then the longest context, then the least memory", () => {
    const rows = [
      row({ status: "error" }),
      row({ status: "unknown" }),
      row({ status: "does_not_fit" }),
      row({ status: "fits", tight: true }),
      row({ status: "fits", tight: false, options: { ...base.options, gpu_layers: 20 } }),
      row({ status: "fits", tight: false, options: { ...base.options, context: 50 } }),
      row({ status: "fits", tight: false }, 20),
      row({ status: "fits", tight: false }, 10),
      row({ status: "fits", tight: false }, 30, 200),
    ];
    expect(rankRows(rows)).toEqual(rows.toReversed());
  });

  test("the nearest in size is by ratio: 10 is nearer to 8 than to 13", () => {
    const choices = [
      { name: "8", bytes: 8 },
      { name: "13", bytes: 13 },
    ];
    expect(nearest(choices, 10)?.name).toBe("8");
    expect(nearest(choices, 11)?.name).toBe("13");
    expect(nearest([], 10)).toBeNull();
  });
});
