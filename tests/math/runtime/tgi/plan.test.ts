import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { TGI } from "../../../../src/math/runtime/tgi/index.ts";
import { GIB } from "../../../../src/math/units.ts";
import { configSpec } from "../../../fixtures/vllm/read.ts";
import { attempt, fits, gpus, planned, sum } from "../torch-plans.ts";

const llama = configSpec("meta-llama-3.1-8b");

describe("Llama-3.1-8B on 24 GiB", () => {
  const plan = planned(TGI, llama, gpus([24]));

  test("8,192 tokens x 131,072 B, in blocks of one token", () => {
    expect(sum(plan.parts.kv_cache_bytes)).toBe(GIB);
    expect(plan.options.block_tokens).toBe(1);
  });

  test("a tenth of the GPU stays free", () => {
    expect(plan.reserved[0]).toBe(Math.ceil(0.1 * 24 * GIB));
    expect(planned(TGI, llama, gpus([24]), { memoryUtilization: 0.5 }).reserved[0]).toBe(Math.ceil(0.55 * 24 * GIB));
  });

  test("the prefill of 4,096 tokens: (3 x 14,336 + 5 x 4,096) x 2 B each", () => {
    expect(plan.parts.compute_bytes[0]).toBe(4096 * (3 * 14_336 + 5 * 4096) * 2);
  });

  test("the command", () => {
    expect(plan.command({ id: "org/llama", source: "hub", file: null })).toBe(
      "text-generation-launcher --model-id org/llama --max-total-tokens 8192 --max-input-tokens 8191 --max-batch-prefill-tokens 4096 --dtype bfloat16",
    );
    const more = planned(
      TGI,
      llama,
      gpus([24, 24]),
      { tensorParallel: 2, sequences: 4, kvTypeK: "FP8" },
      "awq-4bit-g128",
    );
    expect(more.command({ id: "org/llama", source: "hub", file: null })).toContain(
      "--max-batch-size 4 --num-shard 2 --kv-cache-dtype fp8_e4m3fn --quantize awq",
    );
  });
});

test("windowed layers keep every token", () => {
  const plan = planned(TGI, configSpec("gpt-oss-20b"), gpus([80]));
  expect(plan.layers.kv[0]).toBe(plan.layers.kv[1] ?? -1);
  expect(plan.warnings.join()).toContain("TGI keeps every token in windowed layers, too.");
});

test("recurrent layers, and options of others, are refused", () => {
  expect(attempt(TGI, configSpec("qwen3.5-35b-a3b"), gpus([192]))).toMatchObject({
    status: "refused",
    reason: "TGI has no cache for recurrent layers beside attention: it is in maintenance mode",
  });
  expect(attempt(TGI, llama, gpus([24]), { pipelineParallel: 2 })).toMatchObject({
    reason: "TGI has no option like --pipeline-parallel",
  });
  expect(attempt(TGI, llama, gpus([24]), { kvTypeK: "Q8_0" })).toMatchObject({ reason: "TGI has no cache type q8_0" });
});

test("the largest context fits and one more token does not", () => {
  fc.assert(
    fc.property(fc.integer({ min: 16, max: 60 }), fc.integer({ min: 1, max: 50 }), (gib, sequences) => {
      const machine = gpus([gib]);
      const { maxContext } = planned(TGI, llama, machine, { sequences }).limits();
      const holds = (context: number): boolean => fits(planned(TGI, llama, machine, { context, sequences }));
      if (maxContext === null) expect(holds(1)).toBe(false);
      else expect([holds(maxContext), maxContext === 131_072 || !holds(maxContext + 1)]).toEqual([true, true]);
    }),
    { numRuns: 40 },
  );
});
