import { expect, test } from "bun:test";
import { shapeCaches } from "../../../../../src/math/runtime/llama-cpp/caches.ts";
import { computeBuffers } from "../../../../../src/math/runtime/llama-cpp/compute/buffers.ts";
import { explainCompute } from "../../../../../src/math/runtime/llama-cpp/compute/explain.ts";
import { computeRange, ROW_SPLIT_BAND } from "../../../../../src/math/runtime/llama-cpp/compute/range.ts";
import { placeLayers } from "../../../../../src/math/runtime/llama-cpp/placement.ts";
import type { LlamaCppOptions } from "../../../../../src/math/runtime/llama-cpp/types.ts";
import { machineWith, optionsOf, rowOf, specOf } from "./accounting.ts";

const row = rowOf("Skywork/Skywork-Reward-Llama-3.1-8B-v0.2");

function situation(change: Partial<LlamaCppOptions>, gpus = 1) {
  const spec = specOf(row);
  if (spec === null) throw new Error("the llama family does not read its row");
  const all = spec.layers.length + 1;
  const base = {
    ...optionsOf(row, spec),
    context: 8192,
    sequences: 1,
    batch: 2048,
    ubatch: 512,
    gpuLayers: all,
    outputs: 1,
  };
  const options: LlamaCppOptions = { ...base, kvTypeK: "F16", kvTypeV: "F16", flashAttention: true, ...change };
  const machine = machineWith(gpus);
  const caches = shapeCaches(options, options.context, 1);
  return [spec, options, caches, placeLayers(spec, options, machine), machine.accelerators] as const;
}

test("the terms are what lies in the buffer, and sum to it", () => {
  const asked = situation({});
  const { phase, terms, bytes } = explainCompute(...asked, 0);
  expect(phase).toBe("feed-forward");
  expect(terms.slice(0, 3).map((t) => [t.name, t.formula])).toEqual([
    ["ffn_gate", "4 B × 14336 × 512"],
    ["ffn_up", "4 B × 14336 × 512"],
    ["activation", "4 B × 14336 × 512"],
  ]);
  expect(terms.find((t) => t.name === "mask, copied")).toEqual({
    name: "mask, copied",
    formula: "2 B × 8192 × 512",
    bytes: 8 * 2 ** 20,
  });
  expect(terms.reduce((sum, t) => sum + t.bytes, 0)).toBe(bytes);
  expect(computeBuffers(...asked).devices).toEqual([bytes]);
});

test("without flash attention the scores are the largest term: 4·8192·512·32 B = 512 MiB", () => {
  const { phase, terms } = explainCompute(...situation({ flashAttention: false }), 0);
  expect(phase).toBe("attention");
  expect(terms[0]).toEqual({ name: "scores", formula: "4 B × 8192 × 512 × 32", bytes: 512 * 2 ** 20 });
});

test("many rows of logits: the logits, 4·128256·512 B", () => {
  const { phase, terms } = explainCompute(...situation({ outputs: 512 }), 0);
  expect(phase).toBe("logits");
  expect(terms[0]).toEqual({ name: "logits", formula: "4 B × 128256 × 512", bytes: 4 * 128256 * 512 });
});

test("a device that is not there has nothing", () => {
  expect(explainCompute(...situation({}), 5)).toEqual({ phase: "none", terms: [], bytes: 0 });
});

test("nothing is open where the engine was matched", () => {
  const asked = situation({});
  const mid = computeBuffers(...asked);
  expect(computeRange(...asked)).toEqual({ low: mid, high: mid });
});

test("a quantized cache on CUDA: whether it is converted is open below", () => {
  const asked = situation({ context: 131072, kvTypeK: "Q8_0", kvTypeV: "Q8_0" });
  const { low, high } = computeRange(...asked);
  expect(high).toEqual(computeBuffers(...asked));
  expect(low.devices[0] ?? 0).toBeLessThan(high.devices[0] ?? 0);
  expect(low.host).toBe(high.host);
});

test("rows split over GPUs: a guess both ways", () => {
  const asked = situation({ splitMode: "row" }, 2);
  const mid = computeBuffers(...asked).devices[0] ?? 0;
  const { low, high } = computeRange(...asked);
  expect(low.devices[0]).toBe(Math.round(mid * (1 - ROW_SPLIT_BAND)));
  expect(high.devices[0]).toBe(Math.round(mid * (1 + ROW_SPLIT_BAND)));
});
