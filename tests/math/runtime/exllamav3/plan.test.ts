import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import { EXLLAMAV3 } from "../../../../src/math/runtime/exllamav3/index.ts";
import { PARTS } from "../../../../src/math/runtime/runtime.ts";
import { answerOn, gpus, PUBLISHED, planOn, spec } from "./plans.ts";

const CARD = gpus([24]);
const LLAMA = spec("meta-llama/Meta-Llama-3-8B");
const WEIGHTS = "exl3-4.0bpw";

describe("weights", () => {
  // 6,979,321,856 elements of layers at 4 bits; 2 B for each input and output: q and o 8192, k and v 5120, gate, up and
  // down 18,432; two norms of 4096. The head at 6 bits; a norm; the embedding of 128,256 x 4096 in system memory.
  test("matrices and their signs on the GPU, the embedding in system memory", () => {
    const { parts } = planOn(CARD, LLAMA, { weights: WEIGHTS });
    const signs = 2 * (2 * 8192 + 2 * 5120 + 3 * 18_432);
    const head = (128_256 * 4096 * 6) / 8 + 2 * (128_256 + 4096);
    expect(parts.weights_bytes[0]).toBe(6_979_321_856 / 2 + 32 * (signs + 2 * 2 * 4096) + head + 2 * 4096);
    expect(parts.weights_bytes[1]).toBe(2 * 128_256 * 4096);
  });

  // 2880 = 22.5 tiles: 23 of them. 32 experts of three matrices of 2880 x 2880.
  test("matrices are padded to tiles of 128", () => {
    const { layers } = planOn(CARD, spec("openai/gpt-oss-20b"), { weights: WEIGHTS });
    const experts = 32 * 3 * ((2944 * 2944) / 2 + 2 * 2 * 2944);
    expect(layers.weights[0]).toBeGreaterThan(experts);
    expect(layers.weights[0]).toBeLessThan(experts * 1.05);
  });

  // Qwen3-0.6B is tied: 151,936 x 1024 twice, 16 bits in system memory and 6 on the GPU, or 16 in both.
  test("a tied head is held by itself", () => {
    const tied = spec("Qwen/Qwen3-0.6B");
    const head = (weights: string): number | undefined =>
      planOn(CARD, tied, { weights }).outside.find(({ name }) => name === "output.weight")?.bytes;
    expect(head(WEIGHTS)).toBe((151_936 * 1024 * 6) / 8 + 2 * (151_936 + 1024));
    expect(head("f16")).toBe(2 * 151_936 * 1024);
  });
});

describe("caches", () => {
  // 32 layers of 8 heads of 128: 4096 B a token in 16 bits. In n bits 1024 / 32 groups of 4n + 2 B.
  test.each([
    [null, null, 4096],
    ["F16", "F16", 4096],
    ["Q8", "Q8", 2 * 32 * 34],
    ["Q6", "Q4", 32 * (26 + 18)],
    ["Q2", "Q2", 2 * 32 * 10],
  ] as const)("keys %s and values %s", (kvTypeK, kvTypeV, bytes) => {
    const { parts } = planOn(CARD, LLAMA, { weights: WEIGHTS, context: 1000, sequences: 3, kvTypeK, kvTypeV });
    expect(parts.kv_cache_bytes[0]).toBe(32 * 3 * 1024 * bytes);
  });

  // gpt-oss 20B: 12 layers of 8 heads of 64 with a window of 128, 12 without. A ring: 128 + 512 in whole pages.
  test("rings of windowed layers, in 16 bits whatever the type", () => {
    const plan = (kvTypeK: "Q4" | null): number =>
      planOn(CARD, spec("openai/gpt-oss-20b"), { weights: WEIGHTS, context: 8192, sequences: 2, kvTypeK }).parts
        .kv_cache_bytes[0] ?? 0;
    expect(plan(null)).toBe(12 * 2 * 768 * 2048 + 12 * 2 * 8192 * 2048);
    expect(plan("Q4")).toBe(12 * 2 * 768 * 2048 + 12 * 2 * 8192 * 2 * 16 * 18);
  });

  // Gemma 2 27B's windows are masks only: 46 layers of 16 heads of 128.
  test("windowed layers of other models keep the whole context", () => {
    const { parts } = planOn(gpus([80]), spec("google/gemma-2-27b-it"), { weights: WEIGHTS, context: 8192 });
    expect(parts.kv_cache_bytes[0]).toBe(46 * 8192 * 2 * 2 * 16 * 128);
  });

  // "Per token at 512/64: fp16 1152 B; Q4 416 B" (exllamav3 1.4.1 cache/mla.py). Kimi K2 has 61 layers.
  test("latent rows", () => {
    const kv = (kvTypeK: "Q4" | null): number | undefined =>
      planOn(gpus([700]), spec("moonshotai/Kimi-K2-Instruct"), { weights: WEIGHTS, context: 4096, kvTypeK }).parts
        .kv_cache_bytes[0];
    expect(kv(null)).toBe(61 * 4096 * 1152);
    expect(kv("Q4")).toBe(61 * 4096 * 416);
  });

  // Qwen3-Next: 36 layers of 8192 channels, a kernel of 4, and 32 heads of 128 x 128 in 32 bits.
  test("states, one for each sequence", () => {
    const { parts } = planOn(gpus([80]), spec("Qwen/Qwen3-Next-80B-A3B-Instruct"), { weights: WEIGHTS, sequences: 3 });
    expect(parts.state_bytes[0]).toBe(36 * 3 * (8192 * 4 * 2 + 32 * 128 * 128 * 4));
  });
});

describe("devices", () => {
  const LARGE = spec("meta-llama/Meta-Llama-3-70B");
  const source = { id: "org/model-exl3", source: "hub", file: null } as const;

  test("each GPU takes layers while they fit, and the command says the rest", () => {
    const plan = planOn(gpus([24, 24]), LARGE, { weights: WEIGHTS, context: 8192 });
    const slots = [...plan.layers.slot];
    expect(slots).toEqual(slots.toSorted((a, b) => a - b));
    expect(new Set(slots)).toEqual(new Set([0, 1]));
    expect(plan.spare[0]).toBeGreaterThanOrEqual(0);
    expect(plan.command(source)).toBe(
      "python main.py --model-name model-exl3 --backend exllamav3 --max-seq-len 8192 --cache-size 8192 --cache-mode FP16 --chunk-size 2048 --max-batch-size 1",
    );
  });

  test("GPUs that share layers have half of each", () => {
    const one = planOn(gpus([80]), LARGE, { weights: WEIGHTS });
    const two = planOn(gpus([24, 24, 24]), LARGE, {
      weights: WEIGHTS,
      tensorParallel: 2,
      kvTypeK: "Q8",
      kvTypeV: "Q6",
    });
    expect(two.parts.weights_bytes[0]).toBeGreaterThan((one.parts.weights_bytes[0] ?? 0) / 2 - 1000);
    expect(two.parts.weights_bytes[0]).toBeLessThan((one.parts.weights_bytes[0] ?? 0) / 2 + 20_000);
    expect(two.parts.weights_bytes[2]).toBe(0);
    expect(two.command(source)).toStartWith("CUDA_VISIBLE_DEVICES=0,1 python main.py");
    expect(two.command(source)).toContain(
      "--cache-mode 8,6 --chunk-size 2048 --max-batch-size 1 --tensor-parallel true",
    );
  });

  test("experts of the first layers in system memory", () => {
    const moe = spec("Qwen/Qwen3-30B-A3B");
    const all = planOn(CARD, moe, { weights: WEIGHTS });
    const plan = planOn(CARD, moe, { weights: WEIGHTS, cpuMoeLayers: 10 });
    // 128 experts of three matrices of 2048 x 768.
    const moved = 10 * 128 * 3 * ((2048 * 768) / 2 + 2 * (2048 + 768));
    expect((all.parts.weights_bytes[0] ?? 0) - (plan.parts.weights_bytes[0] ?? 0)).toBe(moved);
    expect((plan.parts.weights_bytes[1] ?? 0) - (all.parts.weights_bytes[1] ?? 0)).toBe(moved);
    expect(plan.command(source)).toContain("--cpu-moe-offload-layers 10");
  });
});

describe("refusals", () => {
  const reason = (machine: typeof CARD, model: typeof LLAMA, asked: Parameters<typeof answerOn>[2]): string => {
    const answer = answerOn(machine, model, asked);
    return answer.status === "refused" ? answer.reason : "planned";
  };

  test("each is one sentence that says why", () => {
    expect(reason(gpus([24], "metal"), LLAMA, { weights: WEIGHTS })).toContain("NVIDIA GPUs only: not on gpu0");
    expect(reason(gpus([]), LLAMA, { weights: WEIGHTS })).toContain("this machine has none");
    expect(reason(CARD, LLAMA, { weights: WEIGHTS, kvTypeK: "Q8_0" })).toContain("no cache of q8_0");
    expect(reason(CARD, LLAMA, { weights: WEIGHTS, tensorParallel: 2 })).toContain("where there are 1");
    expect(reason(CARD, LLAMA, { weights: WEIGHTS, gpuLayers: 10 })).toContain("no option like --gpu-layers");
    expect(reason(CARD, spec("google/gemma-2b"), { weights: WEIGHTS })).toContain('of the type "gemma"');
    expect(
      reason(gpus([80, 80]), spec("Qwen/Qwen3-Next-80B-A3B-Instruct"), { weights: WEIGHTS, tensorParallel: 2 }),
    ).toContain("does not share layers");
    expect(reason(CARD, spec("google/gemma-4-E2B-it"), { weights: WEIGHTS })).toContain("embeddings for each layer");
  });

  test("weights that it does not load", () => {
    const subject = { published: null, publishedWarning: null, choices: [] };
    expect(EXLLAMAV3.typeWeights(LLAMA, "gptq-4bit-g128", subject).status).toBe("error");
    expect(EXLLAMAV3.typeWeights(LLAMA, "exl3-3.5bpw", subject).status).toBe("ok");
  });
});

describe("laws", () => {
  const load = fc.record({
    machine: fc.constantFrom(gpus([24]), gpus([12, 24]), gpus([8, 8, 8])),
    model: fc.constantFrom(LLAMA, spec("openai/gpt-oss-20b"), spec("Qwen/Qwen3-30B-A3B"), spec("google/gemma-2-9b")),
    weights: fc.constantFrom("f16", "exl3-4.0bpw", "exl3-2.5bpw"),
    context: fc.integer({ min: 1, max: 8192 }),
    sequences: fc.integer({ min: 1, max: 8 }),
    kvTypeK: fc.constantFrom(null, "Q4" as const, "Q8" as const),
  });
  const sum = (bytes: Iterable<number>): number => [...bytes].reduce((all, one) => all + one, 0);

  test("parts and layers add up, low ≤ total ≤ high, bytes are whole", () => {
    fc.assert(
      fc.property(load, ({ machine, model, ...asked }) => {
        const plan = planOn(machine, model, asked);
        const total = sum(plan.total);
        expect(PARTS.reduce((all, part) => all + sum(plan.parts[part]), 0)).toBe(total);
        expect(sum(plan.layers.weights) + plan.outside.reduce((all, { bytes }) => all + bytes, 0)).toBe(
          sum(plan.parts.weights_bytes),
        );
        expect(sum(plan.layers.kv)).toBe(sum(plan.parts.kv_cache_bytes));
        expect(plan.low).toBeLessThanOrEqual(total);
        expect(plan.high).toBeGreaterThanOrEqual(total);
        expect(Number.isInteger(total)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("more context and more sequences never need less, and at() is the plan", () => {
    fc.assert(
      fc.property(load, ({ machine, model, ...asked }) => {
        const plan = planOn(machine, model, asked);
        expect(sum(plan.at(asked.context).total)).toBe(sum(plan.total));
        expect(sum(plan.at(asked.context + 1).total)).toBeGreaterThanOrEqual(sum(plan.total));
        const more = planOn(machine, model, { ...asked, sequences: asked.sequences + 1 });
        expect(sum(more.parts.kv_cache_bytes)).toBeGreaterThan(sum(plan.parts.kv_cache_bytes));
      }),
      { numRuns: 60 },
    );
  });

  test("the largest context that fits, fits, and one more does not", () => {
    const asked = { weights: WEIGHTS, sequences: 24 } as const;
    const machine = gpus([12]);
    const { maxContext } = planOn(machine, LLAMA, { ...asked, context: 512 }).limits();
    if (maxContext === null || maxContext >= 8192) throw new Error(`no limit: ${maxContext}`);
    const left = (context: number): number => planOn(machine, LLAMA, { ...asked, context }).spare[0] ?? 0;
    expect(left(maxContext)).toBeGreaterThanOrEqual(0);
    expect(left(maxContext + 1)).toBeLessThan(0);
  });

  test("every published config gives a plan or a reason, and a difference", () => {
    let planned = 0;
    for (const { config } of PUBLISHED) {
      const read = specFromConfig(config);
      if (read.status !== "ok") continue;
      const plan = answerOn(gpus([80]), read.spec, { weights: WEIGHTS });
      if (plan.status === "planned") {
        planned++;
        expect(plan.explain().length).toBeGreaterThan(3);
        expect(EXLLAMAV3.difference(read.spec)).toContain("ExLlamaV3");
      } else expect(plan.reason.length).toBeGreaterThan(20);
    }
    expect(planned).toBeGreaterThan(80);
  });
});

test("a context beyond the trained one is planned, and said to be", () => {
  const said = (context: number): string => planOn(CARD, LLAMA, { weights: WEIGHTS, context }).warnings.join();
  expect(said(8193)).toBe("The context of 8193 tokens is more than the 8192 the model was trained for.");
  expect(said(8192)).toBe("");
});
