import { describe, expect, test } from "bun:test";
import { NO_OPTIONS } from "../../src/math/options.ts";
import { plan } from "../../src/math/plan.ts";
import { RUNTIMES } from "../../src/math/runtime/index.ts";
import { specOfModel } from "../fixtures/models/read.ts";
import { device, machineOf } from "./runtime/llama-cpp/models.ts";

describe("the weights to take, beside planning with every one of them", () => {
  test.each([
    ["Qwen/Qwen3-32B", [14, 20, 40]],
    ["meta-llama/Meta-Llama-3-8B", [6, 10, 20]],
    ["Qwen/Qwen3-30B-A3B", [14, 24, 40]],
  ] as const)("%s: none that is larger fits", (model, sizes) => {
    const spec = specOfModel(model);
    const subject = {
      id: model,
      source: "hub",
      revision: null,
      file: null,
      downloadBytes: null,
      spec: { status: "ok", spec, warnings: [] },
      choices: [],
      warnings: [],
    } as const;
    const choices = RUNTIMES["llama.cpp"].weightsChoices(spec, subject);
    const bytesOf = (name: string | null): number => choices.find((choice) => choice.name === name)?.bytes ?? 0;
    for (const gib of sizes) {
      const ask = (weights: string) =>
        plan({
          subject,
          weights,
          engine: "llama.cpp",
          engineVersion: null,
          device: "test",
          options: { ...NO_OPTIONS, context: 8192, gpuLayers: "all" },
          machine: machineOf([device("CUDA0", gib)]),
          summary: true,
        });
      const best = ask("Q4_K_M").limits.best_weights;
      const fitting = choices.filter(({ name }) => ask(name).status === "fits").map(({ bytes }) => bytes);
      // Two names may stand for the same bytes.
      expect(bytesOf(best)).toBe(Math.max(...fitting));
    }
  });
});
