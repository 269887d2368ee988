/** Texts worked by hand from tests/cli/sliding-plan.ts. */
import { expect, test } from "bun:test";
import { renderPlan } from "../../src/cli/render-plan.ts";
import type { PlanResult } from "../../src/math/result.ts";
import { SLIDING_PLAN } from "./sliding-plan.ts";

const PLAIN = { styled: false, columns: 100, explain: false };
const MIB = 2 ** 20;

test("a fit, without a terminal: no bars, no colours, rows that add up to 3,000 MiB", () => {
  expect(renderPlan(SLIDING_PLAN, PLAIN)).toBe(`org/model · gemma3 · 4.3 B parameters · 12 layers · Q4_K_M
llama.cpp v0.5.0 on NVIDIA GeForce RTX 4090 · context 8,192

Layers  0-4, 6-10  sliding x10  2,100 MiB  210 MiB each
Layers  5, 11      full x2        600 MiB  300 MiB each
Outside layers                    100 MiB
Compute                           150 MiB
Output                              2 MiB
Overhead                           48 MiB
Total   2.9 GiB of 23.5 GiB   fits, 19.6 GiB free · largest context 131,072

note: One thing to know.

Run it: llama-server -hf org/model:Q4_K_M -c 8192
`);
});

test("on a terminal the largest row's bar is full and no part is without one", () => {
  const text = renderPlan(SLIDING_PLAN, { ...PLAIN, styled: true });
  const bars = [...text.matchAll(/\[(=+)( *)\]/g)].map((match) => [match[1]?.length ?? 0, match[2]?.length ?? 0]);
  expect(bars.map(([full = 0, empty = 0]) => full + empty)).toEqual([24, 24, 24, 24, 24, 24]);
  // 600 and 150 of 2100 MiB in 24 steps are 6.9 and 1.7
  expect(bars.map(([full]) => full)).toEqual([24, 7, 1, 2, 1, 1]);
  expect(text).toContain("\u001b[32mfits, 19.6 GiB free\u001b[0m");
});

test("a narrow terminal loses its bars, not its numbers", () => {
  const text = renderPlan(SLIDING_PLAN, { styled: true, columns: 50, explain: false });
  expect(text).not.toContain("[=");
  expect(text).toContain("2,100 MiB  210 MiB each");
});

test("--explain", () => {
  expect(renderPlan(SLIDING_PLAN, { ...PLAIN, explain: true })).toContain(
    "Weights: 12 layers and what lies outside them = 2500 MiB",
  );
});

test("what does not fit says by how much, where, and what would", () => {
  const [gpu, cpu] = SLIDING_PLAN.memory.by_device;
  if (gpu === undefined || cpu === undefined) throw new Error("two devices");
  const result: PlanResult = {
    ...SLIDING_PLAN,
    status: "does_not_fit",
    memory: {
      ...SLIDING_PLAN.memory,
      by_device: [
        { ...gpu, free_bytes: -512 * MIB },
        { ...cpu, total_bytes: 100 * MIB },
      ],
    },
    limits: {
      max_context: 4096,
      max_sequences: 1,
      gpu_layers: 9,
      cpu_moe_layers: null,
      tensor_split: null,
      best_weights: "Q3_K_M",
    },
  };
  const text = renderPlan(result, PLAIN);
  expect(text).toContain("Total   2.9 GiB   does not fit, 512 MiB short on CUDA0 · largest context 4,096");
  expect(text).toContain("CUDA0     2.9 GiB of 23.5 GiB, 512 MiB short beside 1.5 GiB kept  NVIDIA GeForce RTX 4090");
  expect(text).toContain("Would fit: --context 4096, or --weights Q3_K_M, or --gpu-layers 9");
});

test("what is not known says why and what is missing", () => {
  const { by_layer: _, outside_layers: __, ...memory } = SLIDING_PLAN.memory;
  const result: PlanResult = {
    ...SLIDING_PLAN,
    status: "unknown",
    memory: { ...memory, total_bytes: null, low_bytes: 1024 * MIB, by_device: [] },
    reason: 'the architecture "zed" is not known',
    missing: ["zed"],
    command: null,
    warnings: [],
  };
  expect(renderPlan(result, PLAIN)).toBe(`org/model · gemma3 · 4.3 B parameters · 12 layers · Q4_K_M
llama.cpp v0.5.0 on NVIDIA GeForce RTX 4090 · context 8,192

Not known: the architecture "zed" is not known
Missing: zed
At least 1.0 GiB
`);
});

test("the engine's own words beside ours", () => {
  const asked = {
    engine: "llama.cpp",
    version: "v0.5.0",
    weights_bytes: 2500 * MIB,
    kv_cache_bytes: 300 * MIB,
    state_bytes: 0,
    compute_bytes: 151 * MIB,
    output_bytes: null,
  };
  const text = renderPlan({ ...SLIDING_PLAN, memory: { ...SLIDING_PLAN.memory, asked } }, PLAIN);
  expect(text).toContain("llama.cpp v0.5.0 itself says");
  expect(text).toMatch(/weights +2,621,440,000 bytes {2}the same/);
  expect(text).toMatch(/compute +158,334,976 bytes {2}1,048,576 bytes more/);
  expect(text).not.toContain("state ");
});
