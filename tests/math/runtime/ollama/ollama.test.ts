import { describe, expect, test } from "bun:test";
import type { Machine } from "../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS, type PlanOptions } from "../../../../src/math/options.ts";
import { assignPreset } from "../../../../src/math/parts/presets.ts";
import { OLLAMA } from "../../../../src/math/runtime/ollama/index.ts";
import type { EnginePlan } from "../../../../src/math/runtime/runtime.ts";
import { MIB } from "../../../../src/math/units.ts";
import { loadLogs, specOfLog } from "../../../fixtures/load-logs/read.ts";
import { specOfModel } from "../../../fixtures/models/read.ts";
import { device, machineOf, modelOf } from "../llama-cpp/models.ts";

const llama = modelOf("llama-3-8b");

function planOf(asked: Partial<PlanOptions>, machine: Machine, model: ModelSpec = llama): EnginePlan {
  const plan = OLLAMA.plan(model, { ...NO_OPTIONS, ...asked }, machine);
  if (plan.status === "refused") throw new Error(plan.reason);
  return plan;
}

test("Ministral 3 for two requests on a CPU, as Ollama's llama-server prints it", () => {
  const log = loadLogs().find(({ id }) => id === "h-ministral3-3b-ollama-cpu");
  const spec = log === undefined ? null : specOfLog(log);
  if (log === undefined || spec === null) throw new Error("no such log");
  const model = assignPreset(spec, "Q4_K_M", { imatrix: false });
  const plan = planOf({ context: log.n_ctx / log.n_seq, sequences: log.n_seq }, machineOf([]), model);
  // n_ctx is 8192: 1024 tokens a step, as its log has them
  expect(plan.options).toMatchObject({ batch: 1024, ubatch: 1024, kv_unified: false });
  expect(plan.parts.kv_cache_bytes[0]).toBe(832 * MIB);
  expect(log.measured.kv_mib).toBe(832);
  expect(log.measured.compute_buffer_mib).toEqual({ CPU: 168.03 });
  expect((plan.parts.compute_bytes[0] ?? 0) / MIB).toBeCloseTo(168.03, 1);
});

describe("the context, when nothing is said", () => {
  test.each([
    [[8], 4096],
    [[24], 32768],
    [[12, 12], 32768],
    [[48], 131072],
  ])("GPUs of %p GiB: %d tokens", (sizes, context) => {
    const machine = machineOf(sizes.map((gib, i) => device(`CUDA${i}`, gib)));
    expect(planOf({}, machine).options.context).toBe(context);
  });

  test("is cut to what the model was trained for, and the answer says so", () => {
    const plan = planOf({ context: 200_000 }, machineOf([]));
    expect(plan.options.context).toBe(131_072);
    expect(plan.warnings.join()).toContain("cuts the context of 200000 tokens");
  });
});

describe("tokens a step, when nothing is said", () => {
  // Llama-3-8B: 4.58 GiB of weights and 128 KiB a token
  test.each([
    ["a short context", { context: 4096 }, [24], 512],
    ["a middling one", { context: 8192 }, [24], 1024],
    ["a long one with room", { context: 65536 }, [48], 2048],
    ["a long one, 12.6 of 16 GiB guessed", { context: 65536 }, [16], 512],
    ["CUDA without flash attention", { context: 8192, flashAttention: "off" as const }, [24], 512],
    ["and with 8 GiB", { context: 8192, flashAttention: "off" as const }, [8], 256],
    ["as was said", { context: 65536, batch: 64 }, [48], 64],
  ])("%s", (_, asked, sizes, batch) => {
    const machine = machineOf(sizes.map((gib, i) => device(`CUDA${i}`, gib)));
    expect(planOf(asked, machine).options).toMatchObject({ batch, ubatch: batch });
  });
});

test("of two cards one is used when the guess fits it, both when not", () => {
  const machine = machineOf([device("CUDA0", 24), device("CUDA1", 24)]);
  expect(planOf({ context: 8192 }, machine).total[1]).toBe(0);
  expect(planOf({ context: 131_072, sequences: 2 }, machine).total[1]).toBeGreaterThan(0);
});

describe("what Ollama cannot be told is refused", () => {
  test.each([
    ["a cache type of each", { kvTypeK: "Q8_0", kvTypeV: "F16" }, "one type for K and V"],
    ["two batch sizes", { batch: 2048, ubatch: 512 }, "one batch size"],
    ["a unified pool", { kvUnified: true }, "no option like --kv-unified"],
    ["experts by layer", { cpuMoeLayers: 3 }, "no option like --cpu-moe"],
  ] as const)("%s", (_, asked, words) => {
    expect(OLLAMA.plan(llama, { ...NO_OPTIONS, ...asked }, machineOf([]))).toMatchObject({
      status: "refused",
      reason: expect.stringContaining(words),
    });
  });
});

test("its commands: environment for the server, a Modelfile for the rest", () => {
  const hub = { id: "bartowski/Meta-Llama-3-8B-GGUF", source: "hub", file: "Meta-Llama-3-8B-Q4_K_M.gguf" };
  const asked = { context: 8192, sequences: 2, kvTypeK: "Q8_0", kvTypeV: "Q8_0", gpuLayers: 33 } as const;
  expect(planOf(asked, machineOf([device("CUDA0", 24)])).command(hub)).toBe(
    "OLLAMA_NUM_PARALLEL=2 OLLAMA_KV_CACHE_TYPE=q8_0 ollama serve & printf '%s\\n' 'FROM hf.co/bartowski/Meta-Llama-3-8B-GGUF:Q4_K_M' 'PARAMETER num_ctx 8192' 'PARAMETER num_batch 1024' 'PARAMETER num_gpu 33' > Modelfile && ollama create planned -f Modelfile && ollama run planned",
  );
  expect(planOf({ context: 4096 }, machineOf([])).command({ id: null, source: "file", file: "/m/a.gguf" })).toBe(
    "printf '%s\\n' 'FROM /m/a.gguf' 'PARAMETER num_ctx 4096' 'PARAMETER num_batch 512' > Modelfile && ollama create planned -f Modelfile && ollama run planned",
  );
});

test("a projector and adapters are lines of the Modelfile, and count", () => {
  const tensors = [{ name: "blk.0.attn_q.weight.lora_a", shape: [4096, 16], type: "F16" }];
  const extras = {
    draft: null,
    projector: { name: "p.gguf", architecture: "clip", tensors: [], metadata: {} },
    adapters: [{ name: "a.gguf", architecture: "llama", tensors, metadata: {} }],
  };
  const asked = { ...NO_OPTIONS, context: 4096 };
  const plan = OLLAMA.plan(llama, asked, machineOf([]), { version: null, extras });
  const without = OLLAMA.plan(llama, asked, machineOf([]));
  if (plan.status === "refused" || without.status === "refused") throw new Error("refused");
  expect((plan.parts.weights_bytes[0] ?? 0) - (without.parts.weights_bytes[0] ?? 0)).toBe(4096 * 16 * 2);
  expect(plan.command({ id: null, source: "file", file: "/m/a.gguf" })).toContain("'FROM p.gguf' 'ADAPTER a.gguf'");
});

describe("its limits and its curve are of the layout that was found: Llama-2-70B on 2 x 24 GiB", () => {
  test.each(["BF16", "Q8_0", "Q5_K_M"] as const)("%s", (preset) => {
    const model = assignPreset(specOfModel("meta-llama/Llama-2-70b-hf"), preset, { imatrix: false });
    const plan = planOf({}, machineOf([device("CUDA0", 24), device("CUDA1", 24)]), model);
    expect(plan.spare.every((left) => left === null || left >= 0)).toBe(true);
    expect([...plan.at(4096).total]).toEqual([...plan.total]);
    // 4096 tokens are all that it was trained for.
    expect(plan.limits().maxContext).toBe(4096);
    expect(plan.limits().maxSequences).toBeGreaterThanOrEqual(1);
  });
});

test("experts that were left in system memory stay there at another context", () => {
  const model = modelOf("qwen3-30b-a3b");
  const plan = planOf({ context: 4096 }, machineOf([device("CUDA0", 12)], 64), model);
  expect(plan.options["override_tensor"]).not.toEqual([]);
  expect([...plan.at(4096).total]).toEqual([...plan.total]);
  expect([...plan.at(2048).parts.weights_bytes]).toEqual([...plan.parts.weights_bytes]);
});

test("what is refused is refused in its own name", () => {
  expect(OLLAMA.plan(llama, { ...NO_OPTIONS, sequences: 300 }, machineOf([]))).toMatchObject({
    reason: "Ollama holds at most 256 sequences at once; 300 were asked for",
  });
});
