import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Device } from "../../../../../src/math/machine.ts";
import type { ModelSpec } from "../../../../../src/math/model.ts";
import { shapeCaches } from "../../../../../src/math/runtime/llama-cpp/caches.ts";
import { computeBuffers } from "../../../../../src/math/runtime/llama-cpp/compute/buffers.ts";
import { placeLayers } from "../../../../../src/math/runtime/llama-cpp/placement.ts";
import { NEWEST_RULES } from "../../../../../src/math/runtime/llama-cpp/rules.ts";
import type { ComputeBuffers, LlamaCppOptions } from "../../../../../src/math/runtime/llama-cpp/types.ts";
import { MIB } from "../../../../../src/math/units.ts";
import { gpu, machineWith, rowOf, specOf } from "./accounting.ts";

const LLAMA_8B = "Skywork/Skywork-Reward-Llama-3.1-8B-v0.2"; // Llama 3.1 8B's geometry
const QWEN_30B = "Qwen/Qwen3-30B-A3B";

function model(name: string) {
  const spec = specOf(rowOf(name));
  if (spec === null) throw new Error(`No family reads ${name}`);
  return spec;
}

interface Asked {
  readonly name: string;
  readonly context?: number;
  readonly gpus?: number;
  readonly backend?: Device["backend"];
  readonly options?: Partial<LlamaCppOptions>;
}

function load({ name, ...asked }: Asked): ComputeBuffers {
  return buffersOf(model(name), asked.options ?? {}, asked);
}

function buffersOf(
  spec: ModelSpec,
  options: Partial<LlamaCppOptions>,
  { context = 8192, gpus = 1, backend = "cuda" }: Omit<Asked, "name"> = {},
): ComputeBuffers {
  const base = machineWith(gpus);
  const machine = { ...base, accelerators: base.accelerators.map((device) => ({ ...device, backend })) };
  const all: LlamaCppOptions = {
    context,
    sequences: 1,
    kvUnified: false,
    batch: 2048,
    ubatch: 512,
    program: "api",
    kvTypeK: "F16",
    kvTypeV: "F16",
    flashAttention: true,
    swaFull: false,
    gpuLayers: spec.layers.length + 1,
    cpuMoeLayers: 0,
    splitMode: "layer",
    tensorSplit: null,
    overrideTensor: [],
    reserveBytes: 0,
    rules: NEWEST_RULES,
    outputs: 1,
    ...options,
  };
  const caches = shapeCaches(all, context, all.sequences);
  return computeBuffers(spec, all, caches, placeLayers(spec, all, machine), machine.accelerators);
}

/** What the engine prints: MiB with two places. */
function printed(bytes: number | undefined): string {
  return ((bytes ?? 0) / MIB).toFixed(2);
}

describe("Llama 3 8B: E 4096, F 14336, 32 heads of 128, 8 for keys, 128256 logits; steps of 512 tokens at 8192", () => {
  test("all rows of logits: 4·512·(V + E) = 4·512·132352 B = 258.50 MiB", () => {
    const { devices } = load({ name: LLAMA_8B, options: { outputs: 2048 } });
    expect(devices).toEqual([4 * 512 * (128256 + 4096)]);
  });

  test("one row of logits: feed-forward, 4·512·(3F + 2E + Q) + mask 2·8192·512 = 108 + 8 MiB, and inputs of 0.01", () => {
    const { devices, host } = load({ name: LLAMA_8B });
    expect(printed(devices[0])).toBe("116.01");
    // The host: embeddings twice 8, the mask 8, and inputs of 0.01.
    expect(printed(host)).toBe("24.01");
  });

  test("without flash attention: 4·512·(32·8192 + 2E + 2Q + 2K) + mask 16 = 564 MiB, as the engine printed", () => {
    expect(printed(load({ name: LLAMA_8B, options: { flashAttention: false } }).devices[0])).toBe("564.01");
  });

  test("two GPUs in a pipeline: 108 + four masks of 8 + four inputs of 8, on each; the host 16 + 32", () => {
    const { devices, host } = load({ name: LLAMA_8B, gpus: 2, options: { outputs: 4 } });
    expect(devices.map(printed)).toEqual(["172.04", "172.04"]);
    expect(printed(host)).toBe("48.05");
  });

  test("a CPU alone: one buffer, the feed-forward's phase with the embeddings that nobody gave", () => {
    const { devices, host } = load({ name: LLAMA_8B, gpus: 0, options: { gpuLayers: 0 } });
    expect(devices).toEqual([]);
    expect(printed(host)).toBe("124.01");
  });
});

describe("Qwen3 30B A3B: E 2048, Q 4096, 8 of 128 experts of 768, 151936 logits; at 4096", () => {
  test("all rows of logits: 4·512·(V + E) = 300.75 MiB, as a log of the engine printed", () => {
    expect(printed(load({ name: QWEN_30B, context: 4096, options: { outputs: 2048 } }).devices[0])).toBe("300.75");
  });

  test("one row: 4·512·43008 + mask 4 = 88 MiB, and inputs of 0.01", () => {
    expect(printed(load({ name: QWEN_30B, context: 4096 }).devices[0])).toBe("88.01");
  });
});

describe("what back-ends take inside attention", () => {
  const options = { kvTypeK: "Q8_0", kvTypeV: "Q8_0" } as const;

  test("CUDA converts one layer of a quantized cache to F16: 2·131072·8·(128 + 128) = 512 MiB more than Vulkan", () => {
    const cuda = load({ name: LLAMA_8B, context: 131072, options });
    const vulkan = load({ name: LLAMA_8B, context: 131072, options, backend: "vulkan" });
    const attention = 512 * MIB;
    expect(cuda.devices[0] ?? 0).toBeGreaterThan(attention + 128 * MIB); // and the mask, 2·131072·512
    expect(cuda.devices[0] ?? 0).toBeLessThan((vulkan.devices[0] ?? 0) + attention);
    expect(cuda.host).toBe(vulkan.host);
  });

  test("Metal keeps that room for an F16 cache too", () => {
    const metal = load({ name: LLAMA_8B, context: 131072, backend: "metal" });
    const cuda = load({ name: LLAMA_8B, context: 131072 });
    expect(metal.devices[0] ?? 0).toBeGreaterThan((cuda.devices[0] ?? 0) + 256 * MIB);
  });
});

test("a buffer never shrinks when the cache grows", () => {
  const cells = fc.integer({ min: 1, max: 128 }).map((n) => n * 1024);
  fc.assert(
    fc.property(cells, cells, fc.boolean(), (a, b, flashAttention) => {
      const [small, large] = a < b ? [a, b] : [b, a];
      const less = load({ name: LLAMA_8B, context: small, options: { flashAttention } });
      const more = load({ name: LLAMA_8B, context: large, options: { flashAttention } });
      return (less.devices[0] ?? 0) <= (more.devices[0] ?? 0) && less.host <= more.host;
    }),
    { numRuns: 50 },
  );
});

test("layers that are alike share a part of the graph, with the same result as if each had its own", () => {
  for (const name of [LLAMA_8B, QWEN_30B, "google/gemma-3-4b-it", "Qwen/Qwen3.5-0.8B", "invented/mamba2-a3"]) {
    const spec = model(name);
    for (const gpuLayers of [0, 7, spec.layers.length + 1]) {
      // A tensor of another name in each layer, which nothing asks for, makes all kinds differ.
      const apart = spec.layers.map((layer) => {
        const odd = {
          name: `blk.${layer.index}.odd_${layer.index}`,
          shape: [1],
          role: "norm",
          type: "F32",
          at: null,
        } as const;
        return { ...layer, tensors: [...layer.tensors, odd] };
      });
      expect([name, gpuLayers, buffersOf({ ...spec, layers: apart }, { gpuLayers })]).toEqual([
        name,
        gpuLayers,
        buffersOf(spec, { gpuLayers }),
      ]);
    }
  }
});

test("asking again gives the same", () => {
  expect(load({ name: LLAMA_8B })).toEqual(load({ name: LLAMA_8B }));
  expect(gpu(0).backend).toBe("cuda");
});
