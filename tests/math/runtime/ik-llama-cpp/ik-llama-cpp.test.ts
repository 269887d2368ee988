import { describe, expect, test } from "bun:test";
import { NO_EXTRAS, type PlanExtras } from "../../../../src/math/extras.ts";
import type { LatentMixer } from "../../../../src/math/model.ts";
import { KV_TYPES, type KvType, NO_OPTIONS, type PlanOptions } from "../../../../src/math/options.ts";
import { assignPreset } from "../../../../src/math/parts/presets.ts";
import { plan as answer } from "../../../../src/math/plan.ts";
import { IK_LLAMA_CPP } from "../../../../src/math/runtime/ik-llama-cpp/index.ts";
import { headsAtOnce } from "../../../../src/math/runtime/ik-llama-cpp/latent.ts";
import { LLAMA_CPP } from "../../../../src/math/runtime/llama-cpp/index.ts";
import type { EnginePlan } from "../../../../src/math/runtime/runtime.ts";
import { MIB } from "../../../../src/math/units.ts";
import { type LoadLog, loadLogs, specOfLog } from "../../../fixtures/load-logs/read.ts";
import { specOfModel } from "../../../fixtures/models/read.ts";
import { device, machineOf, modelOf } from "../llama-cpp/models.ts";

const deepseek = assignPreset(specOfModel("deepseek-ai/DeepSeek-V3"), "Q2_K", { imatrix: false });
const typeOf = (name: string | null): KvType | null => KV_TYPES.find((type) => type === name?.toUpperCase()) ?? null;

function planOf(log: LoadLog, gpus: readonly string[]): EnginePlan {
  const spec = specOfLog(log);
  if (spec === null) throw new Error(`${log.id}: no geometry`);
  const model = assignPreset(spec, "Q2_K", { imatrix: false });
  const experts = model.layers.some(({ feedForward }) => feedForward.kind === "moe");
  const asked: PlanOptions = {
    ...NO_OPTIONS,
    context: log.n_ctx / log.n_seq,
    sequences: log.n_seq,
    batch: log.n_batch,
    ubatch: log.n_ubatch,
    kvTypeK: typeOf(log.type_k),
    kvTypeV: typeOf(log.type_v ?? log.type_k),
    flashAttention: log.flash_attn === "1" ? "on" : "off",
    gpuLayers: "all",
    // As nearly all of these were loaded: -ot exps=CPU.
    cpuMoeLayers: experts ? model.layers.length : 0,
    mla: log.mla ?? (log.measured.mla_ckv_mib === undefined ? 0 : 3),
    attentionMaxBatch: log.attn_max_b ?? 0,
  };
  const plan = IK_LLAMA_CPP.plan(model, asked, machineOf(gpus.map((id) => device(id, null))), { version: "b3737" });
  if (plan.status === "refused") throw new Error(`${log.id}: ${plan.reason}`);
  return plan;
}

const sum = (bytes: Float64Array): number => bytes.reduce((total, one) => total + one, 0);
const gpusOf = (log: LoadLog): string[] =>
  Object.keys(log.measured.compute_buffer_mib ?? {}).filter((name) => !/CPU|Host/.test(name));

/** Its log says -mla 0 and prints a latent cache. */
const CONTRADICTORY = ["ik-133"];
const KNOWN = loadLogs().filter(
  (log) => log.engine === "ik_llama.cpp" && !CONTRADICTORY.includes(log.id) && specOfLog(log) !== null,
);

describe("caches as ik_llama.cpp prints them, in all its modes of latent attention", () => {
  test("there are such logs of each mode", () => {
    expect(KNOWN.length).toBeGreaterThanOrEqual(50);
    expect(new Set(KNOWN.map(({ mla }) => mla))).toContain(1);
  });

  test.each(KNOWN.map((log) => [log.id, log] as const))("%s", (_, log) => {
    // On the host: the print leaves out what CUDA pads a quantized row by. Halves are printed rounded to even.
    const mib = sum(planOf(log, []).parts.kv_cache_bytes) / MIB;
    expect(Math.abs(mib - (log.measured.kv_mib ?? 0))).toBeLessThan(0.0051);
  });
});

test("most compute buffers lie in the range that is given for them, and half within 20 %", () => {
  const judged = KNOWN.filter(({ measured }) => measured.compute_buffer_mib !== undefined);
  const errors: number[] = [];
  let inside = 0;
  for (const log of judged) {
    const plan = planOf(log, gpusOf(log));
    const printed = Object.values(log.measured.compute_buffer_mib ?? {}).reduce((a, b) => a + b, 0) * MIB;
    const rest = sum(plan.total) - sum(plan.parts.compute_bytes);
    if (printed >= plan.low - rest && printed <= plan.high - rest) inside++;
    errors.push(Math.abs(sum(plan.parts.compute_bytes) / printed - 1));
  }
  expect(inside / judged.length).toBeGreaterThanOrEqual(0.8);
  expect(errors.sort((a, b) => a - b)[Math.floor(errors.length / 2)]).toBeLessThan(0.2);
});

test("-amb: heads that are unpacked at once", () => {
  const mixer = deepseek.layers[0]?.mixers[0] as LatentMixer;
  // 128 heads · 256 · 32768 cells · 4 B = 4096 MiB: an eighth of it fits 512 MiB
  expect(headsAtOnce(mixer, 32768, 512)).toBe(16);
  expect(headsAtOnce(mixer, 32768, 4096)).toBe(128);
  expect(headsAtOnce(mixer, 32768, 0)).toBe(128);
});

describe("one cache for all sequences, windows and all", () => {
  test("Llama-3-8B, 4 x 8192 tokens: 4096 MiB, and the output layer goes last", () => {
    const machine = machineOf([device("CUDA0", null)]);
    const plan = IK_LLAMA_CPP.plan(
      modelOf("llama-3-8b"),
      { ...NO_OPTIONS, context: 8192, sequences: 4, gpuLayers: 32 },
      machine,
    );
    if (plan.status === "refused") throw new Error(plan.reason);
    expect(sum(plan.parts.kv_cache_bytes)).toBe(4096 * MIB);
    expect(plan.outside.find(({ name }) => name === "output.weight")?.slot).toBe(1);
  });

  test("Gemma-3-27B at 32768 tokens: 62 layers · 32768 · 2 · 16 · 128 · 2 B = 15872 MiB", () => {
    const gemma = assignPreset(specOfModel("google/gemma-3-27b-it"), "Q4_K_M", { imatrix: false });
    const plan = IK_LLAMA_CPP.plan(gemma, { ...NO_OPTIONS, context: 32768 }, machineOf([]));
    expect(plan.status === "planned" && sum(plan.parts.kv_cache_bytes)).toBe(15872 * MIB);
  });
});

test("its types are refused by llama.cpp, with the reason", () => {
  const [layer, ...rest] = modelOf("llama-3-8b").layers;
  if (layer === undefined) throw new Error("no layer");
  const tensors = layer.tensors.map((tensor) =>
    tensor.name.endsWith("ffn_up.weight") ? { ...tensor, type: "IQ4_KS" as const } : tensor,
  );
  const model = { ...modelOf("llama-3-8b"), layers: [{ ...layer, tensors }, ...rest] };
  expect(LLAMA_CPP.plan(model, NO_OPTIONS, machineOf([]))).toMatchObject({
    status: "refused",
    reason: 'llama.cpp has no tensor type IQ4_KS, which "blk.0.ffn_up.weight" has',
  });
  expect(IK_LLAMA_CPP.plan(model, NO_OPTIONS, machineOf([])).status).toBe("planned");
});

test("its own options are refused by other engines", () => {
  const result = answer({
    subject: {
      id: "a/b",
      source: "hub",
      revision: null,
      file: null,
      downloadBytes: null,
      spec: { status: "ok", spec: specOfModel("deepseek-ai/DeepSeek-V3"), warnings: [] },
      choices: [],
      warnings: [],
    },
    weights: "Q4_K_M",
    engine: "llama.cpp",
    engineVersion: null,
    device: "cpu",
    options: { ...NO_OPTIONS, mla: 2 },
    machine: machineOf([]),
    summary: true,
  });
  expect(result.error?.message).toBe("llama.cpp has no option like --mla");
});

test("its command", () => {
  const plan = IK_LLAMA_CPP.plan(deepseek, { ...NO_OPTIONS, context: 8192, attentionMaxBatch: 512 }, machineOf([]));
  expect(plan.status === "planned" && plan.command({ id: "a/b-GGUF", source: "hub", file: "b.gguf" })).toBe(
    "llama-server -m b.gguf -c 8192 -np 1 -fa on -hfr a/b-GGUF -hff b.gguf -mla 3 -amb 512",
  );
});

test("an adapter beside its own step: both count, and the command names it", () => {
  const tensors = [{ name: "blk.0.attn_output.weight.lora_a", shape: [16384, 16], type: "F32" }];
  const extras = {
    draft: null,
    projector: null,
    adapters: [{ name: "a.gguf", architecture: "deepseek2", tensors, metadata: {} }],
  };
  const asked = { ...NO_OPTIONS, context: 32768 };
  const plan = IK_LLAMA_CPP.plan(deepseek, asked, machineOf([]), { version: null, extras });
  const without = IK_LLAMA_CPP.plan(deepseek, asked, machineOf([]));
  if (plan.status === "refused" || without.status === "refused") throw new Error("refused");
  expect(sum(plan.parts.weights_bytes) - sum(without.parts.weights_bytes)).toBe(16384 * 16 * 4);
  expect(sum(plan.parts.compute_bytes)).toBeGreaterThan(sum(without.parts.compute_bytes));
  expect(plan.command({ id: null, source: "file", file: "m.gguf" })).toEndWith(" -amb 256 --lora a.gguf");
});

describe("a plan is of its own options, whatever was asked before", () => {
  const many = machineOf(Array.from({ length: 16 }, (_, i) => device(`CUDA${i}`, 80)));
  const planned = (asked: Partial<PlanOptions>, extras = NO_EXTRAS, model = deepseek, machine = many): EnginePlan => {
    const plan = IK_LLAMA_CPP.plan(model, { ...NO_OPTIONS, context: 32768, ...asked }, machine, {
      version: null,
      extras,
    });
    if (plan.status === "refused") throw new Error(plan.reason);
    return plan;
  };

  test("-mla 3, then -mla 1 without flash attention: 61 layers of 576, then of 576 + 512 elements a cell in F16", () => {
    const asked = { gpuLayers: "all", flashAttention: "off" } as const;
    expect(sum(planned({ ...asked, mla: 3 }).parts.kv_cache_bytes)).toBe(61 * 32768 * 576 * 2);
    expect(sum(planned({ ...asked, mla: 1 }).parts.kv_cache_bytes)).toBe(61 * 32768 * (576 + 512) * 2);
  });

  test("with an adapter, -amb 64 and then 4096", () => {
    const tensors = [{ name: "blk.0.attn_output.weight.lora_a", shape: [16384, 16], type: "F32" }];
    const adapters = [{ name: "a.gguf", architecture: "deepseek2", tensors, metadata: {} }];
    const host = machineOf([]);
    const compute = (attentionMaxBatch: number, extras: PlanExtras): number =>
      sum(planned({ attentionMaxBatch }, extras, deepseek, host).parts.compute_bytes);
    const extras = { ...NO_EXTRAS, adapters };
    const first = compute(64, extras);
    expect(compute(4096, extras)).toBe(compute(4096, { ...extras }));
    expect(compute(4096, extras)).toBeGreaterThan(first);
  });
});

describe("without flash attention", () => {
  test.each([
    ["deepseek-ai/DeepSeek-R1", "Q4_K_M", 40, { context: 8192, ubatch: 128, mla: 0 }],
    ["google/gemma-3-27b-it", "Q8_0", 24, { context: 20000, kvUnified: true }],
  ] as const)("what -amb spares is no more than what a step of %s has there", (id, preset, gib, options) => {
    const model = assignPreset(specOfModel(id), preset, { imatrix: false });
    const asked = { ...NO_OPTIONS, sequences: 3, flashAttention: "off", ...options } as const;
    const machine = machineOf([device("CUDA0", gib)]);
    const computes = [0, 256].map((attentionMaxBatch) => {
      const plan = IK_LLAMA_CPP.plan(model, { ...asked, attentionMaxBatch }, machine);
      if (plan.status === "refused") throw new Error(plan.reason);
      const total = sum(plan.total);
      // What is spared is modelled: it may be less, or more.
      if (attentionMaxBatch > 0) expect(plan.low).toBeLessThan(total);
      return plan.parts.compute_bytes;
    });
    const [whole, capped] = computes;
    capped?.forEach((bytes, slot) => {
      expect(bytes).toBeGreaterThan(0);
      expect(bytes).toBeLessThanOrEqual(whole?.[slot] ?? 0);
    });
  });

  test("whole scores on one GPU: 32 heads · 8192 cells · 512 tokens · 4 B = 512 MiB, of which -amb 256 spares 256", () => {
    const machine = machineOf([device("CUDA0", null)]);
    const [whole, capped] = [0, 256].map((attentionMaxBatch) => {
      const asked = { ...NO_OPTIONS, context: 8192, flashAttention: "off", attentionMaxBatch } as const;
      const plan = IK_LLAMA_CPP.plan(modelOf("llama-3-8b"), asked, machine);
      return plan.status === "planned" ? (plan.parts.compute_bytes[0] ?? 0) : 0;
    });
    const spared = (whole ?? 0) - (capped ?? 0);
    expect(spared).toBeGreaterThan(128 * MIB);
    expect(spared).toBeLessThanOrEqual(256 * MIB);
  });
});

test("what is refused is refused in its own name", () => {
  const asked = (options: Partial<PlanOptions>) =>
    IK_LLAMA_CPP.plan(modelOf("llama-3-8b"), { ...NO_OPTIONS, ...options }, machineOf([]));
  expect(asked({ memoryUtilization: 0.9 })).toMatchObject({
    reason: "ik_llama.cpp has no option like --memory-utilization",
  });
  expect(asked({ flashAttention: "off", kvTypeV: "Q8_0" })).toMatchObject({
    reason: "ik_llama.cpp needs flash attention for a V cache of type q8_0",
  });
});
