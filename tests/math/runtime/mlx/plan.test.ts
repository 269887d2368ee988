import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS, type PlanOptions } from "../../../../src/math/options.ts";
import type { Checkpoint } from "../../../../src/math/parts/formats/checkpoint.ts";
import { MLX } from "../../../../src/math/runtime/mlx/index.ts";
import { MLX_VERSIONS } from "../../../../src/math/runtime/mlx/modules.ts";
import { type EnginePlan, PARTS } from "../../../../src/math/runtime/runtime.ts";
import { PRESET_WEIGHTS } from "../../../../src/math/weights-choice.ts";
import { configOf, publishedModels, specOfModel } from "../../../fixtures/models/read.ts";
import { MAC, typedAs } from "./peaks.ts";

function planned(spec: ModelSpec, options: Partial<PlanOptions>, weights = "mlx-4bit-g64", machine = MAC): EnginePlan {
  const plan = MLX.plan(typedAs(spec, weights), { ...NO_OPTIONS, ...options }, machine);
  if (plan.status !== "planned") throw new Error(plan.reason);
  return plan;
}

function refused(spec: ModelSpec, options: Partial<PlanOptions>, machine = MAC): string {
  const plan = MLX.plan(typedAs(spec, "bf16"), { ...NO_OPTIONS, ...options }, machine);
  return plan.status === "refused" ? plan.reason : "planned";
}

const part = (plan: EnginePlan, name: (typeof PARTS)[number]): number => plan.parts[name][0] ?? 0;

describe("caches", () => {
  test("grow by 256 tokens: Llama-3.1-8B, 32 layers of 2 x 8 x 128 elements of 2 bytes", () => {
    const spec = specOfModel("meta-llama/Meta-Llama-3.1-8B");
    const token = 32 * 2 * 8 * 128 * 2;
    for (const [context, room] of [
      [1, 256],
      [256, 256],
      [257, 512],
      [8192, 8192],
      [8193, 8448],
    ] as const)
      expect(part(planned(spec, { context }), "kv_cache_bytes")).toBe(room * token);
  });

  test("in 4 bits: 4 and 2 x 16 for 64 elements", () => {
    const spec = specOfModel("meta-llama/Meta-Llama-3.1-8B");
    const vector = 128 / 2 + (128 / 64) * 4;
    const plan = planned(spec, { context: 8192, kvTypeK: "Q4" });
    expect(part(plan, "kv_cache_bytes")).toBe(8192 * 32 * 2 * 8 * vector);
    expect(plan.options.kv_type).toBe("q4");
    expect(plan.command({ id: "org/m-mlx", source: "hub", file: null })).toBe(
      "mlx_lm.generate --model org/m-mlx --kv-bits 4 --quantized-kv-start 0 --prompt -",
    );
  });

  test("a ring holds a window and a step while the prompt is read: gemma 3 27B, window 1024", () => {
    const spec = specOfModel("google/gemma-3-27b-it");
    const token = 2 * 16 * 128 * 2;
    // 62 layers, every sixth whole; after two whole steps of 2048 a ring has 1023 old tokens and 2048 new ones.
    expect(part(planned(spec, { context: 4097 }), "kv_cache_bytes")).toBe(token * (10 * 4096 + 52 * (1023 + 2048)));
  });

  test("latent attention: DeepSeek-V2 decompressed, DeepSeek-V3 compressed", () => {
    const v2 = planned(specOfModel("deepseek-ai/DeepSeek-V2-Lite"), { context: 256 });
    expect(part(v2, "kv_cache_bytes")).toBe(256 * 27 * 16 * (128 + 64 + 128) * 2);
    const v3 = planned(specOfModel("deepseek-ai/DeepSeek-R1"), { context: 256 });
    expect(part(v3, "kv_cache_bytes")).toBe(256 * 61 * (512 + 64) * 2);
    // 16 x 320 / 576
    expect(MLX.difference(specOfModel("deepseek-ai/DeepSeek-V2-Lite"))).toContain("8.9 times what llama.cpp keeps");
  });

  test("sequences multiply them", () => {
    const spec = specOfModel("Qwen/Qwen3-4B");
    const one = planned(spec, { context: 1000 });
    const four = planned(spec, { context: 1000, sequences: 4 });
    expect(part(four, "kv_cache_bytes")).toBe(4 * part(one, "kv_cache_bytes"));
    expect(one.basis.kv_cache_bytes).toBe("exact");
    expect(four.basis.kv_cache_bytes).toBe("modelled");
    expect(four.command({ id: "org/m-mlx", source: "hub", file: null })).toBe(
      "mlx_lm.server --model org/m-mlx --prompt-concurrency 4",
    );
  });
});

test("what was asked to stay free is kept of a processor's memory, too", () => {
  const host = { ...MAC, accelerators: [], unified: false };
  const spec = specOfModel("Qwen/Qwen3-4B");
  const [free, kept] = [0, 2 ** 30].map((reserveBytes) => planned(spec, { reserveBytes }, "bf16", host));
  expect([free?.reserved[0], kept?.reserved[0]]).toEqual([0, 2 ** 30]);
  expect((free?.spare[0] ?? 0) - (kept?.spare[0] ?? 0)).toBe(2 ** 30);
});

describe("what mlx-lm does not do is refused in a sentence", () => {
  const llama = (): ModelSpec => specOfModel("meta-llama/Meta-Llama-3.1-8B");
  test("options", () => {
    expect(refused(llama(), { gpuLayers: 3 })).toBe("mlx-lm has no option like --gpu-layers");
    expect(refused(llama(), { kvTypeK: "Q8_0" })).toBe("mlx-lm has no cache type q8_0");
    expect(refused(llama(), { kvTypeK: "Q8", kvTypeV: "Q4" })).toBe("mlx-lm keeps keys and values in one type");
    expect(refused(llama(), { kvTypeK: "Q8", sequences: 2 })).toBe("mlx-lm quantizes the cache of one sequence alone");
  });

  test("quantized caches of rings, sinks, latent attention", () => {
    const kvTypeK = "Q8" as const;
    expect(refused(specOfModel("google/gemma-3-27b-it"), { kvTypeK })).toContain("window");
    expect(refused(specOfModel("openai/gpt-oss-20b"), { kvTypeK })).toContain("sinks");
    expect(refused(specOfModel("deepseek-ai/DeepSeek-R1"), { kvTypeK })).toContain("latent attention");
  });

  test("models and machines", () => {
    const spec: ModelSpec = { ...llama(), modelType: "never_heard_of" };
    expect(refused(spec, {})).toBe("mlx-lm has no model of type never_heard_of");
    const [metal] = MAC.accelerators;
    if (metal === undefined) throw new Error("The Mac has no GPU");
    const radeon = { ...MAC, accelerators: [{ ...metal, backend: "rocm" as const, name: "Radeon" }] };
    expect(refused(llama(), {}, radeon)).toBe("MLX does not run on Radeon");
  });
});

describe("laws", () => {
  const specs = publishedModels().flatMap(({ config }) => {
    const result = specFromConfig(config);
    return result.status === "ok" ? [result.spec] : [];
  });
  const plannable = specs.filter((spec) => refused(spec, {}) === "planned");
  const anySpec = fc.constantFrom(...plannable);
  const tokens = fc.integer({ min: 1, max: 100_000 });

  test("every model is planned or refused with a reason, and most are planned", () => {
    expect(plannable.length).toBeGreaterThan(specs.length / 2);
  });

  test("parts add up, layers too", () => {
    fc.assert(
      fc.property(anySpec, tokens, fc.integer({ min: 1, max: 40 }), (spec, context, sequences) => {
        const plan = planned(spec, { context, sequences });
        let sum = 0;
        for (const name of PARTS) sum += part(plan, name);
        expect(plan.total[0]).toBe(sum);
        expect(plan.layers.kv.reduce((a, b) => a + b, 0)).toBeCloseTo(part(plan, "kv_cache_bytes"), 0);
        expect(plan.layers.state.reduce((a, b) => a + b, 0)).toBe(part(plan, "state_bytes"));
        const outside = plan.outside.reduce((a, { bytes }) => a + bytes, 0);
        expect(plan.layers.weights.reduce((a, b) => a + b, outside)).toBe(part(plan, "weights_bytes"));
        expect(plan.low).toBeLessThanOrEqual(sum);
        expect(plan.high).toBeGreaterThanOrEqual(sum);
      }),
    );
  });

  test("more context, sequences or bits never need less", () => {
    fc.assert(
      fc.property(anySpec, tokens, tokens, (spec, a, b) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)];
        const plan = planned(spec, { context: less });
        const bytes = (of: { readonly total: Float64Array }): number => of.total[0] ?? 0;
        expect(bytes(plan.at(more))).toBeGreaterThanOrEqual(bytes(plan));
        expect(bytes(planned(spec, { context: less, sequences: 2 }))).toBeGreaterThanOrEqual(bytes(plan));
        expect(bytes(planned(spec, { context: less }, "mlx-8bit-g64"))).toBeGreaterThanOrEqual(bytes(plan));
      }),
    );
  });

  test("the largest context and the most sequences fit, and one more does not", () => {
    const [metal] = MAC.accelerators;
    if (metal === undefined) throw new Error("The Mac has no GPU");
    fc.assert(
      fc.property(anySpec, fc.integer({ min: 1, max: 64 }), (spec, gib) => {
        const machine = { ...MAC, accelerators: [{ ...metal, usableBytes: gib * 2 ** 30 }] };
        const plan = planned(spec, { context: 4096 }, "mlx-4bit-g64", machine);
        const fits = (options: Partial<PlanOptions>): boolean =>
          planned(spec, options, "mlx-4bit-g64", machine).spare.every((left) => left === null || left >= 0);
        const { maxContext, maxSequences } = plan.limits();
        const trained = spec.contextTrained;
        if (maxContext !== null) expect(fits({ context: maxContext })).toBe(true);
        if (trained !== null && maxContext !== trained) expect(fits({ context: (maxContext ?? 0) + 1 })).toBe(false);
        if (maxSequences !== null) expect(fits({ context: 4096, sequences: maxSequences })).toBe(true);
        if (maxSequences !== 256) expect(fits({ context: 4096, sequences: (maxSequences ?? 0) + 1 })).toBe(false);
      }),
    );
  });
});

describe("weights", () => {
  const none = { published: null, publishedWarning: null, choices: [] };

  test("choices are smallest first, and their bytes those of the plan", () => {
    const spec = specOfModel("Qwen/Qwen3-4B");
    const choices = MLX.weightsChoices(spec, none);
    expect(choices.map(({ bytes }) => bytes)).toEqual(choices.map(({ bytes }) => bytes).toSorted((a, b) => a - b));
    for (const { name, bytes } of choices) expect(part(planned(spec, {}, name), "weights_bytes")).toBe(bytes);
    expect(MLX.weightsChoices(spec, none)).toBe(choices);
  });

  test("the same question gives the same object; a preset of llama.cpp's is none", () => {
    const spec = specOfModel("Qwen/Qwen3-4B");
    expect(typedAs(spec, "MLX-4bit-g64")).toBe(typedAs(spec, "mlx-4bit-g64"));
    expect(MLX.typeWeights(spec, "Q4_K_M", none)).toMatchObject({ status: "error" });
    expect(MLX.typeWeights(spec, null, { ...none, published: "F16" })).toMatchObject({
      spec: { weights: { name: "f16" } },
    });
  });

  test("a GGUF file is planned in the nearest format of MLX's, and the answer says so", () => {
    const quantized = PRESET_WEIGHTS.typeWeights(specOfModel("Qwen/Qwen3-4B"), "Q4_K_M", none);
    if (quantized.status !== "ok") throw new Error("Q4_K_M is no preset");
    const typed = MLX.typeWeights({ ...quantized.spec, tensorSource: "file" }, null, none);
    expect(typed).toMatchObject({ status: "ok", spec: { weights: { name: "mlx-4bit-g64" } } });
    if (typed.status !== "ok") return;
    const plan = MLX.plan(typed.spec, NO_OPTIONS, MAC);
    expect(plan.status === "planned" && plan.warnings).toContain(
      "mlx-lm reads no GGUF file: planned as the same model in mlx-4bit-g64.",
    );
  });

  test("a repository's FP8 is expanded by modules that do so, and refused for others", () => {
    const checkpoint: Checkpoint = {
      format: {
        status: "ok",
        id: "fp8-block",
        method: "fp8-block",
        float: "bf16",
        schemes: [],
        layers: {},
        outside: {},
      },
      table: null,
      totalBytes: null,
    };
    const asked = (model: string): unknown => MLX.typeWeights(specOfModel(model), null, { ...none, checkpoint });
    expect(asked("deepseek-ai/DeepSeek-R1")).toMatchObject({ spec: { weights: { name: "bf16" } } });
    expect(asked("Qwen/Qwen3-4B")).toMatchObject({ status: "error" });
  });

  test("converted first when the repository is another's", () => {
    const plan = planned(specOfModel("Qwen/Qwen3-4B"), { ubatch: 512 });
    expect(plan.command({ id: "Qwen/Qwen3-4B", source: "hub", file: null })).toBe(
      "mlx_lm.convert --hf-path Qwen/Qwen3-4B --mlx-path Qwen3-4B-mlx-4bit-g64 -q --q-bits 4 --q-group-size 64 && mlx_lm.generate --model Qwen3-4B-mlx-4bit-g64 --prefill-step-size 512 --prompt -",
    );
  });
});

describe("explanation", () => {
  test("a line for every term, with its numbers", () => {
    const lines = planned(specOfModel("Qwen/Qwen3.5-0.8B"), { context: 4096 }).explain();
    expect(lines.some((line) => line.startsWith("KVCache: 6 caches, "))).toBe(true);
    expect(lines.some((line) => line.startsWith("Recurrent states: "))).toBe(true);
    expect(lines.some((line) => line.startsWith("Attention that is not fused: "))).toBe(true);
  });

  test("the version is the one whose package is read", () => {
    expect(MLX.versions).toEqual(MLX_VERSIONS);
    expect(configOf("Qwen/Qwen3-4B").model_type).toBe("qwen3");
  });
});
