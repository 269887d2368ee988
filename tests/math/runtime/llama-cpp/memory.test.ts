import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import type { Machine } from "../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { type KvType, NO_OPTIONS } from "../../../../src/math/options.ts";
import { assignPreset } from "../../../../src/math/parts/presets.ts";
import { layerColumns, totals } from "../../../../src/math/runtime/llama-cpp/memory.ts";
import { planLlamaCpp } from "../../../../src/math/runtime/llama-cpp/plan.ts";
import { prepare } from "../../../../src/math/runtime/llama-cpp/prepare.ts";
import { resolveOptions } from "../../../../src/math/runtime/llama-cpp/resolve.ts";
import { largestContext, mostGpuLayers, mostSequences } from "../../../../src/math/runtime/llama-cpp/solve.ts";
import type { EnginePlan } from "../../../../src/math/runtime/runtime.ts";
import { GIB, MIB } from "../../../../src/math/units.ts";
import { device, machineOf, modelOf } from "./models.ts";

const llama = modelOf("llama-3-8b");
const moe = modelOf("qwen3-30b-a3b");
const one = machineOf([device("a", 24)]);

function prepared(model: ModelSpec, machine: Machine, options: Partial<typeof NO_OPTIONS> = {}) {
  const resolution = resolveOptions(model, { ...NO_OPTIONS, ...options }, machine);
  if (resolution.status !== "ok") throw new Error(resolution.reason);
  return prepare(model, resolution.options, machine);
}

function sum(columns: Iterable<number>): number {
  let all = 0;
  for (const bytes of columns) all += bytes;
  return all;
}

describe("KV cache of Llama-3-8B at 8,192 tokens, as llama.cpp prints it", () => {
  test.each([
    ["F16", 1024],
    ["Q8_0", 544],
    ["Q4_0", 288],
  ] as const)("%s", (type: KvType, mib) => {
    const load = totals(prepared(llama, one, { kvTypeK: type, kvTypeV: type }), 8192, 1);
    expect(sum(load.kv)).toBe(mib * MIB);
  });
});

test("gated delta state of Qwen3.5-27B: 149.625 MiB a sequence", () => {
  const result = specFromConfig({
    model_type: "qwen3_5",
    text_config: {
      model_type: "qwen3_5_text",
      hidden_size: 5120,
      intermediate_size: 17408,
      num_hidden_layers: 64,
      num_attention_heads: 24,
      num_key_value_heads: 4,
      head_dim: 256,
      vocab_size: 248320,
      max_position_embeddings: 262144,
      full_attention_interval: 4,
      linear_conv_kernel_dim: 4,
      linear_key_head_dim: 128,
      linear_value_head_dim: 128,
      linear_num_key_heads: 16,
      linear_num_value_heads: 48,
      tie_word_embeddings: false,
    },
  });
  if (result.status !== "ok") throw new Error(result.reason);
  const model = assignPreset(result.spec, "Q4_K_M", { imatrix: false });
  const ready = prepared(model, one);
  expect(sum(totals(ready, 8192, 1).state)).toBe(149.625 * MIB);
  expect(sum(totals(ready, 8192, 4).state)).toBe(598.5 * MIB);
  // 16 of 64 layers · 2 · 4 heads · 256 · 2 B
  expect(sum(totals(ready, 262144, 1).kv)).toBe(262144 * 65536);
});

describe("what lies where", () => {
  test("fully offloaded, only the embedding stays: 128256 · 4096 · 144/256 bytes", () => {
    const ready = prepared(llama, one);
    expect(ready.weights[ready.hostSlot]).toBe(295501824);
    expect(sum(ready.weights)).toBe(4912898048);
  });

  test("moved experts are counted where they went", () => {
    const all = prepared(moe, one, { gpuLayers: "all" });
    const moved = prepared(moe, one, { gpuLayers: "all", cpuMoeLayers: 48 });
    expect(moved.weights[0]).toBeLessThan(2 * 1024 * MIB);
    // Alignments differ by device, the tensors do not: under one alignment step each.
    expect(Math.abs(sum(moved.weights) - sum(all.weights))).toBeLessThan(48 * 3 * 128);
  });

  test("--override-tensor says the same as --n-cpu-moe", () => {
    const byNumber = prepared(moe, one, { gpuLayers: "all", cpuMoeLayers: 2 });
    const pattern = "blk\\.[01]\\.ffn_(up|down|gate)_exps";
    const byName = prepared(moe, one, { gpuLayers: "all", overrideTensor: [{ pattern, buffer: "CPU" }] });
    expect([...byName.weights]).toEqual([...byNumber.weights]);
    expect([...byName.layerWeights]).toEqual([...byNumber.layerWeights]);
  });

  test("--override-tensor takes tensors outside the layers too: the head's 128256 · 4096 · 210/256 bytes leave the card", () => {
    const ready = prepared(llama, one);
    const moved = prepared(llama, one, { overrideTensor: [{ pattern: "^output\\.weight", buffer: "CPU" }] });
    expect((moved.weights[1] ?? 0) - (ready.weights[1] ?? 0)).toBe(430940160);
    expect((ready.weights[0] ?? 0) - (moved.weights[0] ?? 0)).toBe(430940160);
  });

  test("a tied embedding that an override sends to the card is there once, and nowhere else", () => {
    const tied = { ...llama, outside: llama.outside.filter((t) => t.role === "embedding"), tiedEmbeddings: true };
    const card = machineOf([device("CUDA0", 24)]);
    const copies = (options: Partial<typeof NO_OPTIONS>) =>
      prepared(tied, card, { gpuLayers: "all", ...options }).outside.map(({ name, slot }) => [name, slot]);
    expect(copies({})).toEqual([
      ["token_embd.weight", 1],
      ["token_embd.weight as output", 0],
    ]);
    expect(copies({ overrideTensor: [{ pattern: "token_embd", buffer: "CUDA0" }] })).toEqual([
      ["token_embd.weight", 0],
    ]);
  });

  test("a buffer is found by its own name: Vulkan0 beside CUDA0 is the second card", () => {
    const mixed = machineOf([device("CUDA0", 24), device("Vulkan0", 24, "vulkan")]);
    const ready = prepared(llama, mixed, { overrideTensor: [{ pattern: "blk", buffer: "Vulkan0" }] });
    expect(ready.weights[0]).toBe(0);
  });

  test("rows split over two cards add up to the same bytes", () => {
    const two = machineOf([device("a", 24), device("b", 48)]);
    const byLayer = prepared(llama, two);
    const byRow = prepared(llama, two, { splitMode: "row" });
    expect(sum(byRow.weights)).toBe(sum(byLayer.weights));
  });
});

describe("what llama.cpp refuses", () => {
  test.each([
    [
      "quantized V without flash attention",
      { kvTypeV: "Q8_0" as const, flashAttention: "off" as const },
      "flash attention",
    ],
    ["more than 256 sequences", { sequences: 257 }, "at most 256"],
    ["a buffer that is not there", { overrideTensor: [{ pattern: "x", buffer: "CUDA7" }] }, "no buffer"],
    ["another engine's name for it", { overrideTensor: [{ pattern: "x", buffer: "Vulkan0" }] }, "no buffer"],
    ["letters of another size", { overrideTensor: [{ pattern: "x", buffer: "cpu" }] }, "no buffer"],
    ["a pattern without end", { overrideTensor: [{ pattern: "(.+)+!", buffer: "CPU" }] }, "repeats too much"],
    ["a choice repeated", { overrideTensor: [{ pattern: "(\\w|.)*!", buffer: "CPU" }] }, "repeats too much"],
    ["many repetitions", { overrideTensor: [{ pattern: ".*.*.*.*.*!", buffer: "CPU" }] }, "repeats too much"],
    ["a pattern that is none", { overrideTensor: [{ pattern: "(", buffer: "CPU" }] }, "not a regular expression"],
    ["more shares than cards", { tensorSplit: [1, 1] }, "this machine has 1"],
  ])("%s", (_, options, words) => {
    const resolution = resolveOptions(llama, { ...NO_OPTIONS, ...options }, one);
    expect(resolution).toMatchObject({ status: "refused", reason: expect.stringContaining(words) });
  });
});

test.each([
  "exps",
  "blk\\.(1[0-9]|2[0-3])\\.ffn_.*_exps\\.weight",
  "blk\\.\\d+\\.(?:attn|ffn)_.+",
  "(?:ch)?exps",
  "[(+*]{2}",
])("llama.cpp takes the pattern %s, and so does a plan", (pattern) => {
  const options = { ...NO_OPTIONS, overrideTensor: [{ pattern, buffer: "CPU" }] };
  expect(resolveOptions(llama, options, one).status).toBe("ok");
});

describe("--reserve where there is no accelerator", () => {
  const planned = (reserveBytes: number | null, gib = 20): EnginePlan => {
    const plan = planLlamaCpp(llama, { ...NO_OPTIONS, reserveBytes }, machineOf([], gib));
    if (plan.status === "refused") throw new Error(plan.reason);
    return plan;
  };

  test("what was said is kept free of system memory; nothing is where nothing was said", () => {
    const [without, with19] = [planned(null), planned(19 * GIB)];
    const free = 20 * GIB - (without.total[0] ?? 0);
    expect(without.spare).toEqual([free]);
    expect([...without.reserved]).toEqual([0]);
    expect(with19.spare).toEqual([free - 19 * GIB]);
    expect([...with19.reserved]).toEqual([19 * GIB]);
  });

  test("limits keep it free, and are not those of a plan without", () => {
    // The same bytes as the margin of an accelerator, which nobody keeps on a host.
    const limits = [null, GIB].map((bytes) => planned(bytes, 8).limits().maxContext ?? 0);
    // 32 layers · 8 heads · 128 · 2 · 2 B are 128 KiB a token: 8192 tokens a GiB, scores apart
    expect((limits[0] ?? 0) - (limits[1] ?? 0)).toBeGreaterThan(4096);
  });

  test("beside an accelerator it is the accelerator's alone", () => {
    const plan = planLlamaCpp(llama, { ...NO_OPTIONS, reserveBytes: GIB }, machineOf([device("a", 24)], 20));
    expect(plan.status === "planned" && [...plan.reserved]).toEqual([GIB, 0]);
  });
});

describe("solvers", () => {
  test("the largest context fits, and one step more does not", () => {
    const small = machineOf([device("a", 8)]);
    const ready = prepared(llama, small, { gpuLayers: "all" });
    const context = largestContext(ready);
    if (context === null) throw new Error("nothing fits");
    const limit = (device("a", 8).memoryBytes ?? 0) - ready.options.reserveBytes;
    expect(totals(ready, context, 1).total[0]).toBeLessThanOrEqual(limit);
    expect(totals(ready, context + 256, 1).total[0]).toBeGreaterThan(limit);
  });

  test("the trained context is the end, fits or not", () => {
    expect(largestContext(prepared(llama, machineOf([device("a", 80)])))).toBe(131072);
  });

  test("the most sequences fit, and one more does not", () => {
    const small = machineOf([device("a", 12)]);
    for (const context of [2048, 4096, 8192]) {
      const ready = prepared(llama, small, { gpuLayers: "all", context });
      const most = mostSequences(ready);
      if (most === null) throw new Error("not even one fits");
      const limit = (device("a", 12).memoryBytes ?? 0) - ready.options.reserveBytes;
      expect(totals(ready, context, most).total[0]).toBeLessThanOrEqual(limit);
      expect(totals(ready, context, most + 1).total[0]).toBeGreaterThan(limit);
    }
  });

  test("no limit known: every sequence fits", () => {
    expect(mostSequences(prepared(llama, machineOf([], null)))).toBe(256);
  });

  test("too small for one layer: nothing is offloaded, nothing fits", () => {
    const tiny = machineOf([device("a", 1)]);
    expect(mostGpuLayers(llama, prepared(llama, tiny).options, tiny, (o) => prepare(llama, o, tiny))).toBe(0);
    expect(largestContext(prepared(llama, tiny, { gpuLayers: "all" }))).toBeNull();
  });
});

describe("laws", () => {
  const context = fc.integer({ min: 1, max: 131072 });
  const sequences = fc.integer({ min: 1, max: 16 });
  const machines = [one, machineOf([device("a", 24), device("b", 12)]), machineOf([], 64)];

  test("parts by layer add up to parts by device", () => {
    fc.assert(
      fc.property(
        context,
        sequences,
        fc.constantFrom(...machines),
        fc.constantFrom(llama, moe),
        (c, s, machine, model) => {
          const ready = prepared(model, machine);
          const load = totals(ready, c, s);
          const columns = layerColumns(ready, load);
          const outside = ready.outside.reduce((all, part) => all + part.bytes, 0);
          expect(sum(columns.weights) + outside).toBe(sum(ready.weights));
          expect(sum(columns.kv)).toBe(sum(load.kv));
          expect(sum(columns.state)).toBe(sum(load.state));
          const parts = [ready.weights, load.kv, load.state, load.compute, load.output, load.overhead];
          expect(parts.reduce((all, part) => all + sum(part), 0)).toBe(sum(load.total));
        },
      ),
      { numRuns: 60 },
    );
  });

  // Without the compute buffers: llama.cpp's allocator can need less for one sequence more, as its holes happen to fit.
  test("more context or more sequences never take less", () => {
    fc.assert(
      fc.property(context, sequences, fc.constantFrom(...machines), (c, s, machine) => {
        const ready = prepared(llama, machine);
        const here = totals(ready, c, s);
        for (const more of [totals(ready, c + 256, s), totals(ready, c, s + 1)]) {
          for (let i = 0; i < here.total.length; i++) {
            const held = (load: typeof here): number => (load.total[i] ?? 0) - (load.compute[i] ?? 0);
            expect(held(more)).toBeGreaterThanOrEqual(held(here));
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
