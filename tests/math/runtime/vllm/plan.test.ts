import { describe, expect, test } from "bun:test";
import { VLLM } from "../../../../src/math/runtime/vllm/index.ts";
import { GIB, MIB } from "../../../../src/math/units.ts";
import { configSpec } from "../../../fixtures/vllm/read.ts";
import { attempt, fits, gpus, planned, sum } from "../torch-plans.ts";

const llama = configSpec("meta-llama-3.1-8b");
const one = gpus([24]);

describe("Llama-3.1-8B on one GPU of 24 GiB", () => {
  const plan = planned(VLLM, llama, one);

  test("8,192 tokens are 512 blocks of 16 tokens x 32 layers x 4,096 B: 1 GiB", () => {
    expect(sum(plan.parts.kv_cache_bytes)).toBe(GIB);
    expect([...plan.layers.kv]).toEqual(Array.from({ length: 32 }, () => GIB / 32));
  });

  test("weights as vLLM prints them, rotary tables included: 14.9889 GiB", () => {
    expect((plan.parts.weights_bytes[0] ?? 0) / GIB).toBeCloseTo(14.9889, 3);
    expect(plan.outside.find(({ name }) => name === "rotary tables")?.bytes).toBe(32 * MIB);
  });

  test("8 % of the memory stay out of it", () => {
    expect(plan.reserved[0]).toBe(24 * GIB - Math.ceil(24 * GIB * 0.92));
    expect(plan.spare[0]).toBe(Math.ceil(24 * GIB * 0.92) - (plan.total[0] ?? 0));
    expect(plan.spare[1]).toBeNull();
  });

  test("the sampler's 256 rows and counts of every word", () => {
    // 10 B x 256 x 128,256 words; hidden states 1.28 x 2,048 x 4,096 x 2 B; 0.034 GiB
    const sampler = 10 * 256 * 128_256 + 1.28 * 2048 * 4096 * 2 + 0.034 * GIB;
    expect(plan.parts.compute_bytes[0]).toBe(Math.round(sampler));
    // Counts 256 x (128,256 + 4,008) x 4 B; graphs 492 MiB, libraries 133 MiB; the null block 2 MiB.
    expect(plan.parts.overhead_bytes[0]).toBe(256 * (128_256 + 4008) * 4 + (492 + 133 + 2) * MIB);
  });

  test("the pool is what is left, and said so", () => {
    const { pool_blocks: blocks, pool_tokens: tokens, max_concurrency: concurrency } = plan.options;
    // What is spare goes to the pool, beside the 512 blocks of the plan and the null block.
    const left = Math.floor(((plan.spare[0] ?? 0) + 513 * 2 * MIB) / (2 * MIB));
    expect(blocks).toBe(left);
    expect(tokens).toBe(left * 16);
    expect(concurrency).toBe(Math.round((left / 512) * 100) / 100);
    expect(plan.warnings.join()).toContain(`its pool holds ${(left * 16).toLocaleString("en")} tokens`);
  });

  test("the command", () => {
    const model = { id: "org/llama", source: "hub", file: null };
    expect(plan.command(model)).toBe("vllm serve org/llama --max-model-len 8192");
    const more = planned(VLLM, llama, gpus([24, 24, 24, 24]), {
      tensorParallel: 2,
      pipelineParallel: 2,
      sequences: 8,
      batch: 4096,
      kvTypeK: "FP8",
      memoryUtilization: 0.8,
      swaFull: true,
    });
    expect(more.command(model)).toBe(
      "vllm serve org/llama --max-model-len 8192 --max-num-seqs 8 --max-num-batched-tokens 4096 --tensor-parallel-size 2 --pipeline-parallel-size 2 --gpu-memory-utilization 0.8 --kv-cache-dtype fp8 --disable-hybrid-kv-cache-manager",
    );
  });
});

describe("ranks", () => {
  const two = planned(VLLM, llama, gpus([24, 24]), { tensorParallel: 2 });

  test("two share every layer: half the cache each, norms on both", () => {
    expect([...two.parts.kv_cache_bytes]).toEqual([GIB / 2, GIB / 2, 0]);
    expect(two.parts.weights_bytes[0]).toBe(two.parts.weights_bytes[1] ?? -1);
    const norm = two.outside.filter(({ name }) => name === "output_norm.weight");
    expect(norm.map(({ bytes }) => bytes)).toEqual([8192, 8192]);
  });

  test("two stages: 16 layers each, embedding on the first, head on the last", () => {
    const staged = planned(VLLM, llama, gpus([24, 24]), { pipelineParallel: 2 });
    expect([...staged.layers.slot].filter((slot) => slot === 0)).toHaveLength(16);
    expect(staged.outside.find(({ name }) => name === "token_embd.weight")?.slot).toBe(0);
    expect(staged.outside.find(({ name }) => name === "output.weight")?.slot).toBe(1);
  });

  test("the smallest GPU decides", () => {
    const uneven = planned(VLLM, llama, gpus([24, 12]), { tensorParallel: 2 });
    const even = planned(VLLM, llama, gpus([12, 12]), { tensorParallel: 2 });
    expect(uneven.options.pool_blocks).toBe(even.options.pool_blocks ?? null);
  });

  test("one GPU is taken unless more are asked for", () => {
    const lonely = planned(VLLM, llama, gpus([24, 24]));
    expect(lonely.total[1]).toBe(0);
    expect(lonely.warnings[0]).toStartWith("1 GPU is left alone");
  });
});

describe("refusals", () => {
  test.each([
    [{ tensorParallel: 2 }, "vLLM wants 2 GPUs for that; this machine has 1"],
    [{ ubatch: 512 }, "vLLM has no option like --ubatch"],
    [{ gpuLayers: 3 }, "vLLM has no option like --gpu-layers"],
    [{ kvTypeK: "Q8_0" }, "vLLM has no cache type q8_0"],
    [{ kvTypeK: "FP8", kvTypeV: "F16" }, "vLLM keeps keys and values in one type"],
    [{ context: 200_000 }, "vLLM refuses a context of 200000 tokens: the model was trained for 131072"],
    [{ memoryUtilization: 0 }, "vLLM wants a share of the memory above 0"],
  ] as const)("%j", (asked, reason) => {
    expect(attempt(VLLM, llama, one, asked)).toMatchObject({ status: "refused", reason });
  });

  test("heads that do not divide", () => {
    expect(attempt(VLLM, configSpec("qwen2.5-7b-instruct"), gpus([24, 24, 24]), { tensorParallel: 3 })).toMatchObject({
      reason: "vLLM cannot share this model: the 28 heads of layer 0 do not divide by 3",
    });
  });

  test("Apple and processors", () => {
    const apple = gpus([64], "Apple M4 Max", "metal");
    expect(attempt(VLLM, llama, apple)).toMatchObject({ status: "refused" });
  });
});

test("a share that is not free: vLLM does not start", () => {
  const [gpu] = one.accelerators;
  if (gpu === undefined) throw new Error("no GPU");
  const busy = { ...one, accelerators: [{ ...gpu, freeBytes: 21 * GIB }] };
  const plan = planned(VLLM, llama, busy);
  expect(fits(plan)).toBe(false);
  expect(plan.warnings.join()).toContain("vLLM does not start: it wants 0.92 of NVIDIA RTX 4090's memory");
  expect(fits(planned(VLLM, llama, busy, { memoryUtilization: 0.85 }))).toBe(true);
});

describe("where it does not start", () => {
  const [gpu] = one.accelerators;
  if (gpu === undefined) throw new Error("no GPU");
  const busy = { ...gpu, usableBytes: 23.5 * GIB, freeBytes: 21 * GIB };

  test("what is lacking is what must be freed: 0.92 of 23.5 GiB less 21 GiB", () => {
    const plan = planned(VLLM, llama, { ...one, accelerators: [busy] });
    expect(plan.spare[0]).toBe(21 * GIB - Math.ceil(23.5 * GIB * 0.92));
    expect(plan.limits()).toMatchObject({ maxContext: null, maxSequences: null });
  });

  test("or what the plan is over its share, where that is more", () => {
    const plan = planned(VLLM, llama, { ...one, accelerators: [busy] }, { sequences: 100 });
    expect(plan.spare[0]).toBe(Math.ceil(23.5 * GIB * 0.92) - (plan.total[0] ?? 0));
    expect(plan.spare[0]).toBeLessThan(21 * GIB - Math.ceil(23.5 * GIB * 0.92));
  });

  test("of two GPUs the one that is busy lacks it, and no pool is promised", () => {
    const plan = planned(VLLM, llama, { ...one, accelerators: [gpu, busy] }, { tensorParallel: 2 });
    expect(plan.spare[0]).toBeGreaterThan(0);
    expect(plan.spare[1]).toBe(21 * GIB - Math.ceil(23.5 * GIB * 0.92));
    expect(plan.warnings.join()).not.toContain("its pool holds");
  });
});

test("keeping memory free is taking a smaller share", () => {
  // (24 - 6) / 24
  expect(planned(VLLM, llama, one, { reserveBytes: 6 * GIB }).options.memory_utilization).toBe(0.75);
});
