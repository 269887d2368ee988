import { expect, test } from "bun:test";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS, type PlanOptions } from "../../../../src/math/options.ts";
import { LM_STUDIO } from "../../../../src/math/runtime/lmstudio/index.ts";
import type { EnginePlan } from "../../../../src/math/runtime/runtime.ts";
import { MIB } from "../../../../src/math/units.ts";
import { device, machineOf, modelOf } from "../llama-cpp/models.ts";

const llama = modelOf("llama-3-8b");
const card = machineOf([device("CUDA0", 24)]);

function planOf(asked: Partial<PlanOptions>, model: ModelSpec = llama): EnginePlan {
  const plan = LM_STUDIO.plan(model, { ...NO_OPTIONS, ...asked }, card);
  if (plan.status === "refused") throw new Error(plan.reason);
  return plan;
}

test("four requests share one cache: 32 layers · 8192 cells · 2 · 1024 · 2 B = 1 GiB, whatever their number", () => {
  const plan = planOf({ context: 8192 });
  expect(plan.options).toMatchObject({ sequences: 4, kv_unified: true, n_ctx: 8192, batch: 2048, ubatch: 512 });
  expect(plan.parts.kv_cache_bytes[0]).toBe(1024 * MIB);
  // Logits of each: 4 · 4 · 128,256 B
  expect(plan.parts.output_bytes[1]).toBe(4 * 4 * 128_256);
});

test("one cache each where that is asked for", () => {
  const plan = planOf({ context: 8192, kvUnified: false, sequences: 2 });
  expect(plan.parts.kv_cache_bytes[0]).toBe(2048 * MIB);
});

test("4096 tokens when nothing is said", () => {
  expect(planOf({}).options.context).toBe(4096);
});

test("lms load says context and GPU share, the SDK the rest", () => {
  const hub = { id: "lmstudio-community/Llama-3-8B-GGUF", source: "hub", file: "a.gguf" };
  expect(planOf({ context: 8192 }).command(hub)).toBe(
    "lms load lmstudio-community/Llama-3-8B-GGUF --context-length 8192 -y",
  );
  expect(planOf({ context: 8192, gpuLayers: "all" }).command(hub)).toBe(
    "lms load lmstudio-community/Llama-3-8B-GGUF --context-length 8192 --gpu max -y",
  );
  expect(planOf({ context: 8192, sequences: 1, kvTypeK: "Q8_0", gpuLayers: 11 }).command(hub)).toBe(
    `node -e 'new (require("@lmstudio/sdk").LMStudioClient)().llm.load("lmstudio-community/Llama-3-8B-GGUF", {"config":{"contextLength":8192,"autoFit":false,"gpu":{"ratio":0.333},"maxParallelPredictions":1,"llamaKCacheQuantizationType":"q8_0"}})'`,
  );
  const experts = planOf({ context: 8192, gpuLayers: "all", cpuMoeLayers: 12 }, modelOf("qwen3-30b-a3b"));
  expect(experts.command(hub)).toContain(`"gpu":{"ratio":"max","numCpuExpertLayersRatio":0.25}`);
});

test("what it has no setting for is refused", () => {
  expect(LM_STUDIO.plan(llama, { ...NO_OPTIONS, tensorSplit: [1] }, card)).toMatchObject({
    status: "refused",
    reason: "LM Studio has no option like --tensor-split",
  });
});
