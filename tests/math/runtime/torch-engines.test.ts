/** Laws of every engine that spreads a model over GPUs as PyTorch does. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PARTS } from "../../../src/math/runtime/runtime.ts";
import { SGLANG } from "../../../src/math/runtime/sglang/index.ts";
import { TGI } from "../../../src/math/runtime/tgi/index.ts";
import { TRANSFORMERS } from "../../../src/math/runtime/transformers/index.ts";
import { VLLM } from "../../../src/math/runtime/vllm/index.ts";
import { GIB } from "../../../src/math/units.ts";
import { specOfModel } from "../../fixtures/models/read.ts";
import { configSpec } from "../../fixtures/vllm/read.ts";
import { attempt, fits, gpus, planned, sum } from "./torch-plans.ts";

const MODELS = ["meta-llama-3.1-8b", "gpt-oss-20b", "qwen3.5-35b-a3b", "mixtral-8x7b-v0.1"].map(
  (name) => [name, configSpec(name)] as const,
);
const model = fc.constantFrom(...MODELS.map(([, spec]) => spec));
const context = fc.integer({ min: 1, max: 32_768 });
const sequences = fc.integer({ min: 1, max: 200 });
const large = gpus([192, 192], "NVIDIA B200");

describe.each([
  ["vLLM", VLLM, "tensorParallel"],
  ["SGLang", SGLANG, "tensorParallel"],
  ["transformers", TRANSFORMERS, "pipelineParallel"],
] as const)("%s", (_, runtime, shared) => {
  test("parts add up to the total, layers to their parts", () => {
    fc.assert(
      fc.property(model, context, sequences, fc.constantFrom(1, 2), (spec, at, count, devices) => {
        const plan = planned(runtime, spec, large, { context: at, sequences: count, [shared]: devices });
        for (const [i, total] of plan.total.entries())
          expect(PARTS.reduce((bytes, part) => bytes + (plan.parts[part][i] ?? 0), 0)).toBe(total);
        expect(sum(plan.layers.kv)).toBe(sum(plan.parts.kv_cache_bytes));
        expect(sum(plan.layers.state)).toBe(sum(plan.parts.state_bytes));
        const outside = plan.outside.reduce((bytes, part) => bytes + part.bytes, 0);
        expect(sum(plan.layers.weights) + outside).toBe(sum(plan.parts.weights_bytes));
        expect(plan.low).toBeLessThanOrEqual(sum(plan.total));
        expect(plan.high).toBeGreaterThanOrEqual(sum(plan.total));
        for (const bytes of plan.total) expect(Number.isInteger(bytes)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("more context, more sequences, never less", () => {
    fc.assert(
      fc.property(model, context, context, sequences, sequences, (spec, a, b, c, d) => {
        const less = planned(runtime, spec, large, { context: Math.min(a, b), sequences: Math.min(c, d) });
        const more = planned(runtime, spec, large, { context: Math.max(a, b), sequences: Math.max(c, d) });
        expect(sum(less.total)).toBeLessThanOrEqual(sum(more.total));
      }),
      { numRuns: 60 },
    );
  });

  test("the curve is the plan", () => {
    fc.assert(
      fc.property(model, context, context, (spec, a, b) => {
        const there = planned(runtime, spec, large, { context: a }).at(b);
        expect([...there.total]).toEqual([...planned(runtime, spec, large, { context: b }).total]);
      }),
      { numRuns: 30 },
    );
  });

  test("the largest context fits and one more does not, so do sequences", () => {
    fc.assert(
      fc.property(model, fc.integer({ min: 8, max: 120 }), context, sequences, (spec, gib, at, count) => {
        const machine = gpus([gib], "NVIDIA H100");
        const plan = planned(runtime, spec, machine, { context: at, sequences: count });
        const { maxContext, maxSequences } = plan.limits();
        const holds = (most: number, atMost: number): boolean =>
          fits(planned(runtime, spec, machine, { context: most, sequences: atMost }));
        if (maxContext !== null) {
          expect(holds(maxContext, count)).toBe(true);
          if (maxContext < (spec.contextTrained ?? 0)) expect(holds(maxContext + 1, count)).toBe(false);
        } else expect(holds(1, count)).toBe(false);
        if (maxSequences !== null) {
          expect(holds(at, maxSequences)).toBe(true);
          if (maxSequences < 2048) expect(holds(at, maxSequences + 1)).toBe(false);
        } else expect(holds(at, 1)).toBe(false);
      }),
      { numRuns: 40 },
    );
  });

  test("a sentence on the difference, a command, a line for each term", () => {
    for (const [name, spec] of MODELS) {
      expect(runtime.difference(spec)).toMatch(/\.$/);
      const plan = planned(runtime, spec, large);
      expect(plan.command({ id: `org/${name}`, source: "hub", file: null })).toContain(`org/${name}`);
      expect(plan.explain().length).toBeGreaterThanOrEqual(4);
      expect(plan.explain().join("\n")).not.toMatch(/NaN|undefined|Infinity/);
    }
  });
});

describe.each([
  ["vLLM", VLLM],
  ["SGLang", SGLANG],
  ["TGI", TGI],
] as const)("%s: memory kept free beside a share", (_, runtime) => {
  const share = (memoryUtilization: number | null, gib: number | null): unknown =>
    planned(runtime, configSpec("meta-llama-3.1-8b"), gpus([96]), {
      memoryUtilization,
      reserveBytes: gib === null ? null : gib * GIB,
    }).options.memory_utilization;

  test("the smaller share holds, whichever said it", () => {
    expect([share(0.75, null), share(null, 48)]).toEqual([0.75, 0.5]);
    expect([share(0.75, 48), share(0.75, 12), share(0.25, 48)]).toEqual([0.5, 0.75, 0.25]);
  });
});

describe("an encoder", () => {
  const bge = specOfModel("BAAI/bge-large-en");
  const source = { id: "org/bge", source: "hub", file: null };

  test("is no model for TGI, which writes text", () => {
    expect(attempt(TGI, bge, gpus([24]))).toMatchObject({
      status: "refused",
      reason: "TGI writes text, and an encoder makes vectors of it",
    });
  });

  test("keeps nothing anywhere else", () => {
    for (const runtime of [VLLM, SGLANG, TRANSFORMERS])
      expect(sum(planned(runtime, bge, gpus([24])).parts.kv_cache_bytes)).toBe(0);
  });

  test("SGLang is told so", () => {
    expect(planned(SGLANG, bge, gpus([24])).command(source)).toBe(
      "python3 -m sglang.launch_server --model-path org/bge --context-length 512 --is-embedding",
    );
  });

  test("transformers calls the model once, with all of its text, and makes no words", () => {
    const plan = planned(TRANSFORMERS, bge, gpus([24]));
    expect(plan.command(source)).toBe(
      `python3 -c 'import torch; from transformers import AutoModel as M; m = M.from_pretrained("org/bge", dtype="bfloat16", device_map="cuda:0", attn_implementation="sdpa"); torch.set_grad_enabled(False); m(torch.ones(1, 512, dtype=int, device=m.device))'`,
    );
    expect(sum(plan.parts.output_bytes)).toBe(0);
    expect(plan.explain().join()).not.toContain("words ×");
    expect(attempt(TRANSFORMERS, bge, gpus([24]), { batch: 128 })).toMatchObject({ hint: "leave --batch out" });
  });
});
