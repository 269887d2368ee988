import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS } from "../../../../src/math/options.ts";
import { MISTRAL_RS } from "../../../../src/math/runtime/mistral-rs/index.ts";
import { PARTS } from "../../../../src/math/runtime/runtime.ts";
import { answerOn, CPU, machineOf, planOn } from "./plans.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

interface Published {
  readonly model: string;
  readonly config: Readonly<Record<string, unknown>>;
}

const PUBLISHED = readFileSync(join(import.meta.dir, "../../../fixtures/models/configs.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Published);

function spec(name: string): ModelSpec {
  const found = PUBLISHED.find(({ model }) => model === name);
  const read = found === undefined ? null : specFromConfig(found.config);
  if (read?.status !== "ok") throw new Error(`no ${name}`);
  return read.spec;
}

const LLAMA = spec("meta-llama/Meta-Llama-3-8B");
const CARD = machineOf("cuda", [48], 64);

describe("weights", () => {
  // 8,030,261,248 parameters in 16 bits; gate and up of 32 layers again: 2 · 4096 · 14336 · 2 B each.
  test("gate and up of unquantized dense layers are held twice", () => {
    const { parts, warnings } = planOn(CARD, LLAMA, { weights: "bf16" });
    expect(parts.weights_bytes[0]).toBe(2 * 8_030_261_248 + 32 * 2 * 4096 * 14_336 * 2);
    expect(warnings).toEqual([]);
    expect(MISTRAL_RS.difference({ ...LLAMA, weights: { name: "bf16", basis: "exact" } })).toContain("7.0 GiB");
  });

  test("a CPU holds them in 32 bits, and says so", () => {
    const { parts, warnings } = planOn(CPU, LLAMA, { weights: "bf16" });
    expect(parts.weights_bytes[0]).toBe(4 * 8_030_261_248 + 32 * 2 * 4096 * 14_336 * 4);
    expect(warnings[0]).toContain("32 bits");
  });

  // 6,979,321,856 elements in layers at 144 B for 256, the embedding and the head at 210 B; 65 norms of 4096 in 16 bits.
  test("ISQ promotes the embedding and the head, and merges nothing", () => {
    const want = (6_979_321_856 / 256) * 144 + (2 * 128_256 * 4096 * 210) / 256 + 65 * 4096 * 2;
    expect(planOn(CARD, LLAMA, { weights: "isq-q4k" }).parts.weights_bytes[0]).toBe(want);
    expect(planOn(CARD, LLAMA, { weights: "q4k" }).parts.weights_bytes[0]).toBe(want);
  });
});

describe("caches", () => {
  test("blocks of a pool on CUDA, and the command that makes so many", () => {
    const plan = planOn(CARD, LLAMA, { weights: "isq-q4k", context: 8192 });
    expect(plan.parts.kv_cache_bytes[0]).toBe(1028 * MIB);
    const command = plan.command({ id: "meta-llama/Meta-Llama-3-8B", source: "hub", file: null });
    expect(command).toBe(
      "mistralrs serve -m meta-llama/Meta-Llama-3-8B --isq q4k --max-seq-len 8192 --max-batch-size 1 --max-seqs 1 --pa-memory-mb 1028",
    );
    expect(planOn(CARD, LLAMA, { weights: "isq-q4k", kvTypeK: "FP8" }).parts.kv_cache_bytes[0]).toBe(514 * MIB);
  });

  // Gemma 3 27B: 52 layers with a window of 1024 and 10 without, 16 heads of 128 for keys and values.
  test("a pool keeps the whole context of windowed layers; without one they keep the window and 512", () => {
    const gemma = spec("google/gemma-3-27b-it");
    const card = machineOf("cuda", [141], 64);
    expect(planOn(card, gemma, { weights: "isq-q4k", context: 8192 }).parts.kv_cache_bytes[0]).toBe(
      62 * 257 * 32 * 4096 * 2,
    );
    expect(planOn(CPU, gemma, { weights: "isq-q4k", context: 8192 }).parts.kv_cache_bytes[0]).toBe(
      (52 * 1536 + 10 * 8192) * 4096 * 2,
    );
  });

  // DeepSeek-V2-Lite: 27 layers; 512 + 64 a token in a pool, else 16 heads of 192 and 128.
  test("latent rows in a pool on CUDA, whole heads elsewhere", () => {
    const deepseek = spec("deepseek-ai/DeepSeek-V2-Lite");
    const card = machineOf("cuda", [80], 64);
    expect(planOn(card, deepseek, { weights: "isq-q4k", context: 4096 }).parts.kv_cache_bytes[0]).toBe(
      27 * 129 * 32 * 576 * 2,
    );
    expect(planOn(CPU, deepseek, { weights: "isq-q4k", context: 4096 }).parts.kv_cache_bytes[0]).toBe(
      27 * 4096 * 16 * (192 + 128) * 2,
    );
    expect(MISTRAL_RS.difference(deepseek)).toContain("8.9 times");
  });

  // Qwen3-Next: 36 layers of 8192 channels, a kernel of 4, and 32 heads of 128 x 128 in 32 bits.
  test("nine states of a gated delta net, the convolution as long as its kernel", () => {
    const qwen = spec("Qwen/Qwen3-Next-80B-A3B-Instruct");
    const card = machineOf("cuda", [141], 512);
    expect(planOn(card, qwen, { weights: "isq-q4k" }).parts.state_bytes[0]).toBe(
      36 * 9 * (8192 * 4 * 2 + 32 * 128 * 128 * 4),
    );
  });
});

describe("devices", () => {
  test("what a GPU has no room for goes to the CPU, and paged attention with it", () => {
    const plan = planOn(machineOf("cuda", [12], 64), LLAMA, { weights: "bf16" });
    expect([...plan.layers.slot].includes(1)).toBe(true);
    expect(plan.options.paged_attention).toBe(false);
    expect(plan.warnings.join(" ")).toContain("paged attention off");
  });

  test("layers by hand", () => {
    const plan = planOn(machineOf("cuda", [24, 24], 64), LLAMA, { weights: "isq-q4k", gpuLayers: 20 });
    expect(plan.options.gpu_layers).toBe(20);
    expect(plan.command({ id: "m", source: "hub", file: null })).toContain(" -n ");
  });

  test("all layers on GPUs, though the device map would leave some to the CPU", () => {
    const asked = { weights: "bf16", gpuLayers: "all" } as const;
    const plan = planOn(machineOf("cuda", [12], 64), LLAMA, asked);
    expect(plan.options).toMatchObject({ gpu_layers: 32, paged_attention: true });
    expect([...plan.layers.slot]).toEqual(Array.from({ length: 32 }, () => 0));
    expect(plan.spare[0]).toBeLessThan(0);
    expect(plan.command({ id: "m", source: "hub", file: null })).toContain(" -n 0:32 ");
    expect(planOn(CPU, LLAMA, asked).options.gpu_layers).toBe(0);
    const two = machineOf("cuda", [48, 48], 64);
    expect(planOn(two, LLAMA, { ...asked, tensorParallel: 2 }).command({ id: "m", source: "hub", file: null })).toBe(
      planOn(two, LLAMA, { weights: "bf16", tensorParallel: 2 }).command({ id: "m", source: "hub", file: null }),
    );
  });

  test("what was asked to stay free is kept of system memory, too, and nothing unless asked", () => {
    const free = planOn(CPU, LLAMA, { weights: "isq-q4k" });
    const kept = planOn(CPU, LLAMA, { weights: "isq-q4k", reserveBytes: 8 * GIB });
    expect([free.reserved[0], kept.reserved[0]]).toEqual([0, 8 * GIB]);
    expect((free.spare[0] ?? 0) - (kept.spare[0] ?? 0)).toBe(8 * GIB);
    expect(kept.total).toEqual(free.total);
  });

  test("caches are exact where a run held them: on a CPU", () => {
    const basis = (machine: typeof CPU, more = {}): unknown => {
      const plan = planOn(machine, LLAMA, { weights: "isq-q4k", ...more });
      expect(plan.explain().find((line) => line.startsWith("KV cache"))).toEndWith(`(${plan.basis.kv_cache_bytes})`);
      return [plan.basis.kv_cache_bytes, plan.basis.state_bytes];
    };
    expect(basis(CPU)).toEqual(["exact", "exact"]);
    expect(basis(CARD, { gpuLayers: 0 })).toEqual(["exact", "exact"]);
    for (const [machine, more] of [
      [CARD, {}],
      [CARD, { gpuLayers: 20 }],
      [machineOf("metal", [64], 64), {}],
      [machineOf("cuda", [48, 48], 64), { tensorParallel: 2 }],
    ] as const)
      expect(basis(machine, more)).toEqual(["modelled", "modelled"]);
  });

  test("GPUs that share layers have half of each matrix, and all of what stands outside", () => {
    const one = planOn(CARD, LLAMA, { weights: "bf16" });
    const two = planOn(machineOf("cuda", [48, 48], 64), LLAMA, { weights: "bf16", tensorParallel: 2 });
    const outside = 2 * (2 * 128_256 * 4096 + 4096);
    const norms = 32 * 2 * 4096 * 2;
    const layers = (one.parts.weights_bytes[0] ?? 0) - outside - norms;
    expect(two.parts.weights_bytes[0]).toBe(layers / 2 + outside + norms);
    expect(two.parts.weights_bytes[1]).toBe(two.parts.weights_bytes[0] ?? 0);
    expect(two.parts.kv_cache_bytes[0]).toBe((one.parts.kv_cache_bytes[0] ?? 0) / 2);
  });

  // 24 GiB: 512 MiB kept free. 0.9 of the rest, less the weights as the map takes them (Q4K as a third of 16 bits, Q6K as
  // a half; norms whole) and 32 · 1024² · 2 B of activations, in whole MiB; 4 MiB are a block.
  test("a share of the memory makes the pool", () => {
    const plan = planOn(machineOf("cuda", [24], 64), LLAMA, { weights: "isq-q4k", memoryUtilization: 0.9 });
    const third = (elements: number): number => Math.floor(elements / 3);
    const layer = 2 * third(4096 ** 2) + 2 * third(1024 * 4096) + 3 * third(4096 * 14_336) + 2 * 4096;
    const outside = (2 * 128_256 * 4096) / 2 + 4096;
    const bytes = (24 * GIB - 512 * MIB) * 0.9 - 2 * (32 * layer + outside) - 64 * MIB;
    expect(plan.options.pool_blocks).toBe(Math.floor(Math.floor(bytes / MIB) / 4));
    expect(plan.command({ id: "m", source: "hub", file: null })).toContain("--pa-memory-fraction 0.9");
  });
});

describe("refusals", () => {
  const reason = (...asked: Parameters<typeof answerOn>): string => {
    const answer = answerOn(...asked);
    return answer.status === "refused" ? answer.reason : "planned";
  };

  test("each is one sentence that says why", () => {
    expect(reason(CARD, spec("tiiuae/Falcon-H1-0.5B-Instruct"), { weights: "bf16" })).toContain('"falcon_h1"');
    expect(reason(machineOf("rocm", [24], 64), LLAMA, { weights: "bf16" })).toContain("not on gpu0");
    expect(reason(CARD, LLAMA, { weights: "bf16", context: 9000 })).toContain("8192 tokens");
    expect(reason(CARD, LLAMA, { weights: "bf16", kvTypeK: "Q8_0" })).toContain("no cache type q8_0");
    expect(reason(CPU, LLAMA, { weights: "bf16", kvTypeK: "FP8" })).toContain("on a CPU");
    expect(reason(CPU, LLAMA, { weights: "bf16", memoryUtilization: 0.5 })).toContain("paged attention");
    expect(reason(CARD, LLAMA, { weights: "bf16", ubatch: 512 })).toContain("--ubatch");
    expect(reason(CARD, LLAMA, { weights: "bf16", tensorParallel: 2 })).toContain("has 1 of the 2");
    expect(reason(machineOf("cuda", [24, 24, 24], 64), LLAMA, { weights: "bf16", tensorParallel: 3 })).toContain(
      "32 heads",
    );
  });

  test("a type that it cannot read", () => {
    const weights = { name: "IQ4_XS", basis: "exact" } as const;
    const model: ModelSpec = {
      ...LLAMA,
      modelType: null,
      weights,
      outside: LLAMA.outside.map((tensor) => ({ ...tensor, type: "IQ4_XS" as const })),
    };
    const plan = MISTRAL_RS.plan(model, NO_OPTIONS, CARD);
    expect(plan.status === "refused" ? plan.reason : "").toContain("IQ4_XS");
  });
});

describe("laws", () => {
  const MACHINES = [CPU, CARD, machineOf("cuda", [12, 24], 64), machineOf("metal", [96], 128)];
  const MODELS = [LLAMA, spec("deepseek-ai/DeepSeek-V2-Lite"), spec("google/gemma-2-9b"), spec("Qwen/Qwen3-30B-A3B")];
  const load = fc.record({
    machine: fc.constantFrom(...MACHINES),
    model: fc.constantFrom(...MODELS),
    weights: fc.constantFrom("bf16", "isq-q4k"),
    context: fc.integer({ min: 1, max: 4096 }),
    sequences: fc.integer({ min: 1, max: 8 }),
  });

  test("parts and layers add up, low ≤ total ≤ high", () => {
    fc.assert(
      fc.property(load, ({ machine, model, ...asked }) => {
        const plan = planOn(machine, model, asked);
        const sum = (bytes: Iterable<number>): number => [...bytes].reduce((all, one) => all + one, 0);
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
        const total = (bytes: Float64Array): number => bytes.reduce((all, one) => all + one, 0);
        expect(total(plan.at(asked.context).total)).toBe(total(plan.total));
        expect(total(plan.at(asked.context + 1).total)).toBeGreaterThanOrEqual(total(plan.total));
        if (machine !== MACHINES[2]) {
          const more = planOn(machine, model, { ...asked, sequences: asked.sequences + 1 });
          expect(total(more.parts.kv_cache_bytes)).toBeGreaterThanOrEqual(total(plan.parts.kv_cache_bytes));
        }
      }),
      { numRuns: 60 },
    );
  });

  test("the largest context that fits, fits, and one more does not", () => {
    for (const machine of [machineOf("cuda", [12], 64), machineOf("cuda", [10], 64)]) {
      const asked = { weights: "isq-q4k", gpuLayers: 32, sequences: 10 } as const;
      const { maxContext } = planOn(machine, LLAMA, { ...asked, context: 512 }).limits();
      if (maxContext === null || maxContext >= 8192) throw new Error(`no limit: ${maxContext}`);
      const left = (context: number): number => planOn(machine, LLAMA, { ...asked, context }).spare[0] ?? 0;
      expect(left(maxContext)).toBeGreaterThanOrEqual(0);
      expect(left(maxContext + 1)).toBeLessThan(0);
    }
  });

  test("every published config gives a plan or a reason", () => {
    let planned = 0;
    for (const { config } of PUBLISHED) {
      const read = specFromConfig(config);
      if (read.status !== "ok") continue;
      const typed = MISTRAL_RS.typeWeights(read.spec, "bf16", { published: null, publishedWarning: null, choices: [] });
      if (typed.status !== "ok") throw new Error(`${read.spec.modelType}: bf16 is not typed`);
      const plan = MISTRAL_RS.plan(typed.spec, NO_OPTIONS, CARD);
      if (plan.status === "planned") planned++;
      else expect(plan.reason.length).toBeGreaterThan(20);
    }
    expect(planned).toBeGreaterThan(80);
  });
});
