import { describe, expect, test } from "bun:test";
import type { Machine } from "../../../../src/math/machine.ts";
import { NO_OPTIONS, type PlanOptions } from "../../../../src/math/options.ts";
import { assignPreset } from "../../../../src/math/parts/presets.ts";
import { NODE_LLAMA_CPP } from "../../../../src/math/runtime/node-llama-cpp/index.ts";
import type { EnginePlan } from "../../../../src/math/runtime/runtime.ts";
import { GIB } from "../../../../src/math/units.ts";
import { specOfModel } from "../../../fixtures/models/read.ts";
import { device, machineOf, modelOf } from "../llama-cpp/models.ts";

const llama = modelOf("llama-3-8b");
const card = machineOf([device("CUDA0", 24)]);

function planOf(asked: Partial<PlanOptions>, machine: Machine = card, model = llama): EnginePlan {
  const plan = NODE_LLAMA_CPP.plan(model, { ...NO_OPTIONS, ...asked }, machine);
  if (plan.status === "refused") throw new Error(plan.reason);
  return plan;
}

describe("batchSize is n_batch and n_ubatch, and rows of logits", () => {
  test.each([
    ["512 at most", {}, 512],
    ["the context where that is shorter", { context: 256 }, 256],
    ["as was said", { batch: 64 }, 64],
    ["never fewer than sequences", { batch: 2, sequences: 8 }, 8],
  ])("%s", (_, asked, batch) => {
    expect(planOf(asked).options).toMatchObject({ batch, ubatch: batch, program: "api" });
  });

  test("one more in a model with windows, none where they are as long as all", () => {
    const gemma = assignPreset(specOfModel("google/gemma-3-27b-it"), "Q4_K_M", { imatrix: false });
    expect(planOf({}, card, gemma).options.batch).toBe(513);
    expect(planOf({ swaFull: true }, card, gemma).options.batch).toBe(512);
  });
});

describe("what stays free of a GPU: 8 %, at most 1.6 GiB", () => {
  test.each([
    [[8], Math.floor(0.08 * 8 * GIB)],
    [[24], Math.floor(1.6 * GIB)],
  ])("%p GiB", (sizes, bytes) => {
    const machine = machineOf(sizes.map((gib, i) => device(`CUDA${i}`, gib)));
    expect(planOf({}, machine).options.reserve_bytes).toBe(bytes);
  });
});

test("whole layers are offloaded as they fit, experts and all", () => {
  const moe = modelOf("qwen3-30b-a3b");
  const plan = planOf({}, machineOf([device("CUDA0", 12)]), moe);
  expect(plan.options.override_tensor).toEqual([]);
  expect(plan.options.gpu_layers).toBeLessThan(49);
});

test("its commands: the chat for one sequence, a script for several", () => {
  const file = { id: null, source: "file", file: "/m/a.gguf" };
  expect(planOf({ context: 8192, kvTypeK: "Q8_0" }).command(file)).toBe(
    "npx --yes node-llama-cpp chat --model /m/a.gguf --contextSize 8192 --batchSize 512 --gpuLayers 33 --flashAttention --kvCacheKeyType Q8_0",
  );
  const hub = { id: "a/b-GGUF", source: "hub", file: "b.Q4_K_M.gguf" };
  expect(planOf({ context: 8192, sequences: 4 }, machineOf([])).command(hub)).toBe(
    `node --input-type=module -e 'import { getLlama, resolveModelFile } from "node-llama-cpp"; const model = await (await getLlama()).loadModel({ modelPath: await resolveModelFile("hf:a/b-GGUF:Q4_K_M"), ...{} }); await model.createContext({"contextSize":8192,"sequences":4,"batchSize":512,"flashAttention":true});'`,
  );
});
