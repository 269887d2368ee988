import { describe, expect, test } from "bun:test";
import { SGLANG } from "../../../../src/math/runtime/sglang/index.ts";
import { prefillGraphs, settingsFor, staticFraction } from "../../../../src/math/runtime/sglang/rules.ts";
import { GIB, MIB } from "../../../../src/math/units.ts";
import { configSpec } from "../../../fixtures/vllm/read.ts";
import { attempt, gpus, planned, sum } from "../torch-plans.ts";

const llama = configSpec("meta-llama-3.1-8b");

describe("what is set aside by the size of a GPU", () => {
  test("sizes of captured prefill steps: 8 + 14 + 8 + 8 + 12 + 8 up to 8,192", () => {
    expect(prefillGraphs(8192)).toBe(58);
    expect(prefillGraphs(2048)).toBe(42);
    expect(prefillGraphs(4)).toBe(1);
  });

  test("an H100 of 81,559 MiB: 512 + 12,288 + 128 + 512 + 464 MiB = 13,904, so 0.83", () => {
    const memoryBytes = 81_559 * MIB;
    const settings = settingsFor(memoryBytes, 1);
    expect(settings).toEqual({ chunk: 8192, graphBatch: 256 });
    expect(staticFraction({ ...settings, memoryBytes, ranks: 1, latent: false })).toBe(0.83);
  });

  test("24 GiB: 512 + 6,144 + 128 + 96 + 400 MiB = 7,280, so 0.704", () => {
    const memoryBytes = 24 * GIB;
    // 8 + 14 + 8 + 8 + 12 = 50 sizes up to 4,096
    const settings = settingsFor(memoryBytes, 1);
    expect(settings).toEqual({ chunk: 4096, graphBatch: 48 });
    expect(staticFraction({ ...settings, memoryBytes, ranks: 1, latent: false })).toBe(0.704);
  });

  test("a large GPU never keeps less than 10 GiB", () => {
    expect(staticFraction({ memoryBytes: 100 * GIB, chunk: 512, graphBatch: 1, ranks: 1, latent: false })).toBe(0.9);
  });
});

describe("pools", () => {
  test("Llama-3.1-8B: 131,072 B for each of 8,192 tokens and one more", () => {
    const plan = planned(SGLANG, llama, gpus([24]));
    expect(sum(plan.parts.kv_cache_bytes)).toBe(8193 * 131_072);
    expect(plan.options.memory_utilization).toBe(0.704);
  });

  test("8 bits halve it, a second rank too", () => {
    const half = planned(SGLANG, llama, gpus([24]), { kvTypeK: "FP8" });
    expect(sum(half.parts.kv_cache_bytes)).toBe(8193 * 65_536);
    const shared = planned(SGLANG, llama, gpus([24, 24]), { tensorParallel: 2 });
    expect(shared.parts.kv_cache_bytes[0]).toBe(8193 * 65_536);
  });

  test("gpt-oss: windowed layers have 0.8 of the tokens, and hold a step", () => {
    const plan = planned(SGLANG, configSpec("gpt-oss-20b"), gpus([24]), { context: 32_768 });
    // 8 heads x 128 elements x 2 B; 32,769 tokens in 12 layers, ⌊0.8 x 32,768⌋ + 1 in the others
    expect(plan.layers.kv[1]).toBe(2048 * 32_769);
    expect(plan.layers.kv[0]).toBe(2048 * (26_214 + 1));
    // Short: 1,024 tokens of the step and as many of the sequence need ⌈(129 + 1,024) / 0.8⌉.
    const short = planned(SGLANG, configSpec("gpt-oss-20b"), gpus([24]), { context: 1024 });
    expect(short.layers.kv[1]).toBe(2048 * (Math.ceil(1153 / 0.8) + 1));
  });

  test("states: three slots for each sequence and one more, 32 bits", () => {
    const plan = planned(SGLANG, configSpec("qwen3.5-35b-a3b"), gpus([192]), { sequences: 4 });
    // 24,576 x 2 B + 524,288 x 4 B in each of 30 layers
    expect(sum(plan.parts.state_bytes)).toBe(13 * 30 * (24_576 * 2 + 524_288 * 4));
  });

  test("windows that SGLang has no pool for are said", () => {
    const gemma = { ...configSpec("gpt-oss-20b"), modelType: "gemma3_text" };
    const plan = planned(SGLANG, gemma, gpus([24]));
    expect(plan.warnings.join()).toContain("SGLang keeps every token in this model's windowed layers");
    expect(plan.layers.kv[0]).toBe(plan.layers.kv[1] ?? -1);
  });
});

test("the command", () => {
  const model = { id: "org/llama", source: "hub", file: null };
  expect(planned(SGLANG, llama, gpus([24])).command(model)).toBe(
    "python3 -m sglang.launch_server --model-path org/llama --context-length 8192",
  );
  const more = planned(SGLANG, llama, gpus([24, 24]), {
    tensorParallel: 2,
    sequences: 8,
    batch: 2048,
    kvTypeK: "FP8",
    memoryUtilization: 0.8,
  });
  expect(more.command(model)).toBe(
    "python3 -m sglang.launch_server --model-path org/llama --context-length 8192 --max-running-requests 8 --chunked-prefill-size 2048 --tp-size 2 --mem-fraction-static 0.8 --kv-cache-dtype fp8_e4m3",
  );
});

test.each([
  [{ tensorParallel: 2 }, "SGLang wants 2 GPUs for that; this machine has 1"],
  [{ kvTypeK: "Q4_0" }, "SGLang has no cache type q4_0"],
  [{ swaFull: true }, "SGLang has no option like --swa-full"],
  [{ batch: 1_000_000 }, "SGLang finds no memory for weights and caches beside what a step needs"],
] as const)("%j is refused", (asked, reason) => {
  expect(attempt(SGLANG, llama, gpus([24]), asked)).toMatchObject({ status: "refused", reason });
});
