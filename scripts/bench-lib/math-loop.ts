/** The loop that the bench "math" runs in Bun and in Chromium alike: plans of 128 layers, moved like a slider moves them. */
import { specFromConfig } from "../../src/math/arch/index.ts";
import type { Machine } from "../../src/math/machine.ts";
import type { ModelSpec } from "../../src/math/model.ts";
import { NO_OPTIONS, type PlanOptions } from "../../src/math/options.ts";
import { RUNTIMES } from "../../src/math/runtime/index.ts";
import { GIB } from "../../src/math/units.ts";
import { typeWeights } from "../../src/math/weights-choice.ts";
import { LAYERS, MIXED_CONFIG } from "./mixed-model.ts";

export interface MathTime {
  readonly model: string;
  readonly move: string;
  /** Of one plan; median over batches. */
  readonly medianUs: number;
  readonly p95Us: number;
}

const BATCH = 10;
const BATCHES = 20;
const WARM_UP = 3;

const DENSE = {
  model_type: "llama",
  hidden_size: 8192,
  intermediate_size: 28_672,
  num_hidden_layers: LAYERS,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  vocab_size: 128_256,
  max_position_embeddings: 131_072,
  tie_word_embeddings: false,
};

const unknown = { usableBytes: null, freeBytes: null, bandwidthBytesPerSecond: null };
const MACHINE: Machine = {
  id: "2x 80GiB",
  accelerators: [0, 1].map((i) => ({
    id: `CUDA${i}`,
    name: "80 GiB",
    backend: "cuda",
    memoryBytes: 80 * GIB,
    ...unknown,
  })),
  host: { id: "CPU", name: "system memory", backend: "cpu", memoryBytes: 256 * GIB, ...unknown },
  unified: false,
  here: false,
  warnings: [],
};

function typedModel(config: Record<string, unknown>, weights: string): ModelSpec {
  const read = specFromConfig(config);
  if (read.status !== "ok") throw new Error(read.reason);
  const typed = typeWeights(read.spec, weights, []);
  if (typed.status !== "ok") throw new Error(`${weights} is no choice for ${read.spec.family}`);
  return typed.spec;
}

/** What differs from one plan to the next: never the same twice in a row, as under a hand. */
const MOVES: readonly { readonly move: string; readonly at: (i: number) => Partial<PlanOptions> }[] = [
  { move: "context", at: (i) => ({ context: 1024 + 256 * (i % 400) }) },
  { move: "sequences", at: (i) => ({ sequences: 1 + (i % 32) }) },
  { move: "ubatch", at: (i) => ({ ubatch: 64 << (i % 5) }) },
  { move: "KV type", at: (i) => ({ kvTypeK: i % 2 === 0 ? "Q8_0" : "F16", kvTypeV: i % 2 === 0 ? "Q8_0" : "F16" }) },
  { move: "layers on the GPU", at: (i) => ({ gpuLayers: i % LAYERS }) },
];

function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
}

export function measureMath(now: () => number): readonly MathTime[] {
  const models = [
    { model: "128 layers, dense", spec: typedModel(DENSE, "Q4_K_M") },
    { model: "128 layers, windows and experts", spec: typedModel(MIXED_CONFIG, "MXFP4_MOE") },
  ];
  const base: PlanOptions = { ...NO_OPTIONS, context: 8192, sequences: 1, gpuLayers: "all", flashAttention: "on" };
  const times: MathTime[] = [];
  let used = 0; // so that nothing may be left out as unused
  for (const { model, spec } of models) {
    for (const { move, at } of MOVES) {
      const perPlan: number[] = [];
      for (let batch = -WARM_UP; batch < BATCHES; batch++) {
        const from = now();
        for (let i = 0; i < BATCH; i++) {
          const plan = RUNTIMES["llama.cpp"].plan(spec, { ...base, ...at(batch * BATCH + i + 10 * BATCH) }, MACHINE);
          if (plan.status === "refused") throw new Error(plan.reason);
          used += (plan.total[0] ?? 0) + (plan.layers.kv[LAYERS - 1] ?? 0) + (plan.layers.weights[0] ?? 0);
        }
        if (batch >= 0) perPlan.push(((now() - from) * 1000) / BATCH); // the first warm up
      }
      times.push({ model, move, medianUs: quantile(perPlan, 0.5), p95Us: quantile(perPlan, 0.95) });
    }
  }
  if (!(used > 0)) throw new Error("nothing was planned");
  return times;
}
