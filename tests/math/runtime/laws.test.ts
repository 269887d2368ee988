/** What holds for every engine, whatever its rules: published models on machines of the table's kinds. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { machineFromText } from "../../../src/hardware/machine-from-text.ts";
import { specFromConfig } from "../../../src/math/arch/index.ts";
import { nearest } from "../../../src/math/compare.ts";
import type { ModelSpec } from "../../../src/math/model.ts";
import {
  ENGINES,
  type EngineId,
  NO_OPTIONS,
  type PlanOptions,
  type TensorOverride,
} from "../../../src/math/options.ts";
import { RUNTIMES } from "../../../src/math/runtime/index.ts";
import { type EnginePlan, PARTS } from "../../../src/math/runtime/runtime.ts";
import { publishedModels } from "../../fixtures/models/read.ts";

const SUBJECT = { choices: [] };
const SPECS = new Map(
  publishedModels().flatMap(({ model, config }) => {
    const read = specFromConfig(config);
    return read.status === "ok" ? [[model, read.spec] as const] : [];
  }),
);
const MACHINES = ["rtx-4090", "2x rtx-3090", "apple-m4-max-40c:64GB", "cpu:64GiB", "h100-sxm5-80gb", "8x 80GiB"];
const machines = new Map(MACHINES.map((name) => [name, machineFromText(name)]));

const situation = fc.record({
  model: fc.constantFrom(...SPECS.keys()),
  machine: fc.constantFrom(...MACHINES),
  context: fc.integer({ min: 1, max: 16 }).map((k) => 512 * k),
  sequences: fc.integer({ min: 1, max: 4 }),
  /** Where among an engine's weights, by size. */
  weights: fc.double({ min: 0, max: 1, noNaN: true }),
});
type Situation = typeof situation extends fc.Arbitrary<infer T> ? T : never;

function specOf(model: string): ModelSpec {
  const spec = SPECS.get(model);
  if (spec === undefined) throw new Error(`${model} is not known`);
  return spec;
}

/** About as many bits as the share of the engine's largest says. */
function typedFor(engine: EngineId, spec: ModelSpec, share: number): ModelSpec | null {
  const runtime = RUNTIMES[engine];
  const choices = runtime.weightsChoices(spec, SUBJECT);
  const most = choices.at(-1)?.bytes;
  const choice = most === undefined ? null : nearest(choices, most * (0.2 + 0.8 * share));
  const typed = choice === null ? null : runtime.typeWeights(spec, choice.name, SUBJECT);
  return typed?.status === "ok" ? typed.spec : null;
}

function planned(
  engine: EngineId,
  { model, machine: name, weights }: Situation,
  options: Partial<PlanOptions>,
): EnginePlan | null {
  const spec = typedFor(engine, specOf(model), weights);
  const machine = machines.get(name);
  if (spec === null || machine === undefined) return null;
  const plan = RUNTIMES[engine].plan(spec, { ...NO_OPTIONS, ...options }, machine);
  return plan.status === "planned" ? plan : null;
}

const sum = (column: Float64Array): number => column.reduce((all, bytes) => all + bytes, 0);
const fits = ({ spare }: EnginePlan): boolean => spare.every((left) => left === null || left >= 0);

/** @returns how many situations were planned */
function each(engine: EngineId, numRuns: number, check: (s: Situation, plan: EnginePlan) => void): number {
  let count = 0;
  fc.assert(
    fc.property(situation, (s) => {
      const plan = planned(engine, s, { context: s.context, sequences: s.sequences });
      if (plan === null) return;
      count++;
      check(s, plan);
    }),
    { numRuns },
  );
  return count;
}

/** Layers and experts stay where they are, else a larger load moves them and takes less there. */
function inPlace(engine: EngineId, s: Situation, plan: EnginePlan, options: Partial<PlanOptions>): EnginePlan | null {
  const { gpu_layers, tensor_split, override_tensor } = plan.options;
  const placed: Partial<PlanOptions> = {
    ...(typeof gpu_layers === "number" ? { gpuLayers: gpu_layers } : {}),
    ...(Array.isArray(tensor_split) ? { tensorSplit: tensor_split as readonly number[] } : {}),
    ...(Array.isArray(override_tensor) && override_tensor.length > 0
      ? { overrideTensor: override_tensor as readonly TensorOverride[] }
      : {}),
  };
  return planned(engine, s, { context: s.context, sequences: s.sequences, ...placed, ...options });
}

function anew(engine: EngineId, s: Situation, options: Partial<PlanOptions>): EnginePlan | null {
  return planned(engine, s, { context: s.context, sequences: s.sequences, ...options });
}

for (const engine of ENGINES) {
  describe(engine, () => {
    test("parts add up to the total on every slot, layers and the rest to the parts; all are whole bytes", () => {
      const count = each(engine, 60, (_, plan) => {
        plan.total.forEach((total, slot) => {
          const parts = PARTS.map((part) => plan.parts[part][slot] ?? 0);
          expect(parts.reduce((all, bytes) => all + bytes, 0)).toBe(total);
          for (const bytes of parts) expect(Number.isSafeInteger(bytes) && bytes >= 0).toBe(true);
        });
        const outside = plan.outside.reduce((all, { bytes }) => all + bytes, 0);
        expect(sum(plan.layers.weights) + outside).toBe(sum(plan.parts.weights_bytes));
        expect(sum(plan.layers.kv)).toBe(sum(plan.parts.kv_cache_bytes));
        expect(sum(plan.layers.state)).toBe(sum(plan.parts.state_bytes));
        const total = sum(plan.total);
        expect(plan.low).toBeLessThanOrEqual(total);
        expect(plan.high).toBeGreaterThanOrEqual(total);
      });
      expect(count).toBeGreaterThan(2);
    }, 60_000);

    test("more context and more sequences never need less", () => {
      each(engine, 30, (s, plan) => {
        const base = inPlace(engine, s, plan, {});
        if (base === null) return;
        for (const more of [{ context: s.context + 512 }, { sequences: s.sequences + 1 }]) {
          const larger = inPlace(engine, s, plan, more);
          if (larger === null) continue;
          for (const part of ["kv_cache_bytes", "state_bytes"] as const) {
            expect(sum(larger.parts[part])).toBeGreaterThanOrEqual(sum(base.parts[part]));
          }
          // Compute buffers may shrink: a step of another number of sequences is a few tokens shorter, gaps fall elsewhere.
          const still = (one: EnginePlan): number => sum(one.total) - sum(one.parts.compute_bytes);
          expect(still(larger)).toBeGreaterThanOrEqual(still(base));
        }
      });
    }, 60_000);

    test("the plan at another context is the plan for that context", () => {
      each(engine, 30, (s, plan) => {
        // Experts that --fit left in system memory: not every front can be told where they are.
        if (inPlace(engine, s, plan, {}) === null) return;
        const context = s.context + 1024;
        const there = [...plan.at(context).total];
        // As it lies now, or as the engine would lay out that load.
        const afresh = [inPlace(engine, s, plan, { context }), anew(engine, s, { context })];
        const totals = afresh.flatMap((one) => (one === null ? [] : [[...one.total]]));
        if (totals.length > 0) expect(totals).toContainEqual(there);
      });
    }, 60_000);

    test("the plan at its own context is the plan", () => {
      each(engine, 40, (_, plan) => {
        const context = plan.options["context"];
        if (typeof context !== "number") throw new Error("a plan says its context");
        expect([...plan.at(context).total]).toEqual([...plan.total]);
      });
    }, 60_000);

    test("what fits is within its own limits", () => {
      each(engine, 40, (s, plan) => {
        const trained = specOf(s.model).contextTrained;
        if (!fits(plan) || trained === null) return;
        const { maxContext } = plan.limits();
        expect(maxContext ?? 0).toBeGreaterThanOrEqual(Math.min(s.context, trained));
      });
    }, 60_000);

    test("the largest context fits, and what is a block more does not", () => {
      each(engine, 15, (s, plan) => {
        if (inPlace(engine, s, plan, {}) === null) return;
        const { maxContext } = plan.limits();
        if (maxContext === null || maxContext < 1) return;
        const at = (context: number): readonly boolean[] =>
          [inPlace(engine, s, plan, { context }), anew(engine, s, { context })].flatMap((one) =>
            one === null ? [] : [fits(one)],
          );
        expect(at(maxContext)).toContain(true);
        const trained = specOf(s.model).contextTrained;
        if (trained === null || maxContext + 1024 > trained) return;
        expect(at(maxContext + 1024)).toContain(false);
      });
    }, 60_000);

    test("the command is one, and the difference a sentence", () => {
      each(engine, 20, (s, plan) => {
        const command = plan.command({ id: "org/name", source: "hub", file: null });
        expect(command.length).toBeGreaterThan(10);
        expect(command).not.toMatch(/undefined|NaN|\[object/);
        const spec = typedFor(engine, specOf(s.model), s.weights);
        if (spec !== null) expect(RUNTIMES[engine].difference(spec)).toMatch(/^\S.{20,}\S$/);
        for (const line of plan.explain()) expect(line).not.toMatch(/undefined|NaN/);
      });
    }, 60_000);
  });
}
