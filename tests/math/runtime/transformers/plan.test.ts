import { describe, expect, test } from "bun:test";
import { TRANSFORMERS } from "../../../../src/math/runtime/transformers/index.ts";
import { GIB } from "../../../../src/math/units.ts";
import { configSpec } from "../../../fixtures/vllm/read.ts";
import { attempt, gpus, planned, sum } from "../torch-plans.ts";

const llama = configSpec("meta-llama-3.1-8b");

describe("Llama-3.1-8B, 8,192 tokens", () => {
  const plan = planned(TRANSFORMERS, llama, gpus([24]));

  test("a cache of 1 GiB: 8,192 x 131,072 B", () => {
    expect(sum(plan.parts.kv_cache_bytes)).toBe(GIB);
  });

  test("weights are the parameters, 2 B each, and no table of angles", () => {
    expect(sum(plan.parts.weights_bytes)).toBe(2 * 8_030_261_248);
  });

  test("a step over the whole prompt: the feed-forward's activations and a copy of a layer's cache", () => {
    expect(plan.parts.compute_bytes[0]).toBe(8192 * (3 * 14_336 + 5 * 4096) * 2 + GIB / 32);
    const chunked = planned(TRANSFORMERS, llama, gpus([24]), { batch: 512 });
    expect(chunked.parts.compute_bytes[0]).toBe(512 * (3 * 14_336 + 5 * 4096) * 2 + GIB / 32);
  });

  test("only the last token's logits: 128,256 x 6 B", () => {
    expect(sum(plan.parts.output_bytes)).toBe(128_256 * 6);
  });

  test("eager attention writes down 32 x 8,192² scores of 8 B", () => {
    const eager = planned(TRANSFORMERS, llama, gpus([24]), { flashAttention: "off" });
    const scores = 32 * 8192 ** 2 * 8;
    const copies = 32 * 256 * 8192 * 2 + 8192 ** 2;
    expect((eager.parts.compute_bytes[0] ?? 0) - (plan.parts.compute_bytes[0] ?? 0)).toBe(scores + copies);
    expect(eager.warnings.join()).toContain("grows with the square");
  });

  test("the command is a line of Python that fills this context", () => {
    expect(plan.command({ id: "org/llama", source: "hub", file: null })).toBe(
      `python3 -c 'import torch; from transformers import AutoModelForCausalLM as M; m = M.from_pretrained("org/llama", dtype="bfloat16", device_map="cuda:0", attn_implementation="sdpa"); m.generate(torch.ones(1, 8191, dtype=int, device=m.device), max_new_tokens=1)'`,
    );
  });
});

describe("in 32 bits", () => {
  const [narrow, wide] = ["bf16", "f32"].map((weights) => planned(TRANSFORMERS, llama, gpus([80]), {}, weights));
  if (narrow === undefined || wide === undefined) throw new Error("not planned");

  test("keys, values, activations and logits are twice as wide: 32 layers x 8 heads x 256 x 4 B a token", () => {
    expect(sum(wide.parts.kv_cache_bytes)).toBe(8192 * 32 * 8 * 256 * 4);
    expect(wide.parts.compute_bytes[0]).toBe(8192 * (3 * 14_336 + 5 * 4096) * 4 + GIB / 16);
    expect(sum(wide.parts.output_bytes)).toBe(128_256 * 8);
    expect([narrow.options.kv_type, wide.options.kv_type]).toEqual(["bf16", "f32"]);
    expect(wide.explain().join()).toContain("words × 8 B");
  });

  test("a score is 4 B, and 4 B after the softmax: as much as of a model in 16 bits", () => {
    const eager = (weights: string): number =>
      planned(TRANSFORMERS, llama, gpus([80]), { flashAttention: "off" }, weights).parts.compute_bytes[0] ?? 0;
    const copies = 32 * 256 * 8192;
    expect(eager("f32") - (wide.parts.compute_bytes[0] ?? 0)).toBe(32 * 8192 ** 2 * 8 + copies * 4 + 8192 ** 2);
    expect(eager("bf16") - (narrow.parts.compute_bytes[0] ?? 0)).toBe(32 * 8192 ** 2 * 8 + copies * 2 + 8192 ** 2);
  });

  test("a convolution's kernel is as wide as the model, the state always 32 bits: 30 layers x (8192 x 4 x 4 + 32 x 128 x 128 x 4)", () => {
    const model = configSpec("qwen3.5-35b-a3b");
    const state = (weights: string): number =>
      sum(planned(TRANSFORMERS, model, gpus([192]), {}, weights).parts.state_bytes);
    expect(state("f32")).toBe(30 * (8192 * 4 * 4 + 32 * 128 * 128 * 4));
    expect(state("bf16")).toBe(30 * (8192 * 4 * 2 + 32 * 128 * 128 * 4));
  });

  test("its cache is of no other type", () => {
    const asked = (kvTypeK: "BF16" | "F32"): unknown => attempt(TRANSFORMERS, llama, gpus([80]), { kvTypeK }, "f32");
    expect(asked("F32")).toMatchObject({ status: "planned" });
    expect(asked("BF16")).toMatchObject({ status: "refused", hint: "take --kv-type f32" });
  });
});

describe("windows", () => {
  test("hold the whole prompt, and only a chunk and the window where the prompt is cut", () => {
    const model = configSpec("gpt-oss-20b");
    const whole = planned(TRANSFORMERS, model, gpus([80]), { context: 32_768 });
    expect(whole.layers.kv[0]).toBe(32_768 * 2048);
    const chunked = planned(TRANSFORMERS, model, gpus([80]), { context: 32_768, batch: 1024 });
    expect(chunked.layers.kv[0]).toBe((127 + 1024) * 2048);
    expect(chunked.layers.kv[1]).toBe(32_768 * 2048);
  });

  test("a class without SDPA computes eagerly", () => {
    expect(planned(TRANSFORMERS, configSpec("gpt-oss-20b"), gpus([80])).options.attention).toBe("eager");
    expect(planned(TRANSFORMERS, llama, gpus([80])).options.attention).toBe("sdpa");
  });
});

describe("devices", () => {
  test("layers over two GPUs in a row", () => {
    const two = planned(TRANSFORMERS, llama, gpus([24, 24]), { pipelineParallel: 2 });
    expect([...two.parts.kv_cache_bytes]).toEqual([GIB / 2, GIB / 2, 0]);
  });

  test("without a GPU in system memory, on Apple in the GPU's", () => {
    const host = planned(TRANSFORMERS, llama, gpus([]));
    expect(host.slots[0]?.backend).toBe("cpu");
    expect(host.spare[0]).toBe(64 * GIB - (host.total[0] ?? 0));
    const apple = planned(TRANSFORMERS, llama, gpus([64], "Apple M4 Max", "metal"));
    expect(apple.command({ id: "org/llama", source: "hub", file: null })).toContain('device_map="mps"');
  });
});

test.each([
  [{ tensorParallel: 2 }, "transformers has no option like --tensor-parallel"],
  [{ memoryUtilization: 0.9 }, "transformers has no option like --memory-utilization"],
  [{ pipelineParallel: 2 }, "transformers spreads layers over 2 GPUs only where there are as many; this machine has 1"],
  [{ kvTypeK: "FP8" }, "transformers is planned with its usual cache, in the model's own type, not in fp8"],
] as const)("%j is refused", (asked, reason) => {
  expect(attempt(TRANSFORMERS, llama, gpus([24]), asked)).toMatchObject({ status: "refused", reason });
});
