import { expect, test } from "bun:test";
import fc from "fast-check";
import { apportion, indexRanges, planRows } from "../../src/cli/plan-rows.ts";
import { SLIDING_PLAN } from "./sliding-plan.ts";

test.each([
  [[], ""],
  [[3], "3"],
  [[0, 1, 2], "0-2"],
  [[0, 1, 2, 3, 4, 6, 7, 10], "0-4, 6-7, 10"],
  [[5, 11, 17], "5, 11, 17"],
] as const)("%p is %p", (indexes, want) => {
  expect(indexRanges(indexes)).toBe(want);
});

test("apportioned parts add up to the rounded sum, and no part is off by a unit", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(10 ** 12), { maxLength: 40 }), fc.integer({ min: 1, max: 2 ** 20 }), (parts, unit) => {
      const whole = apportion(parts, unit);
      const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
      expect(sum(whole)).toBe(Math.round(sum(parts) / unit));
      whole.forEach((n, i) => {
        expect(Math.abs(n - (parts[i] ?? 0) / unit)).toBeLessThan(1);
      });
    }),
  );
});

test("rows add up to the total, with layers and without", () => {
  const sum = (rows: ReturnType<typeof planRows>): number => rows.reduce((total, row) => total + row.bytes, 0);
  expect(sum(planRows(SLIDING_PLAN))).toBe(SLIDING_PLAN.memory.total_bytes ?? 0);
  const { by_layer: _, outside_layers: __, ...memory } = SLIDING_PLAN.memory;
  const summary = planRows({ ...SLIDING_PLAN, memory });
  expect(summary.map((row) => row.title)).toEqual(["Weights", "KV cache", "Compute", "Output", "Overhead"]);
  expect(sum(summary)).toBe(SLIDING_PLAN.memory.total_bytes ?? 0);
});

test("layers of one kind on one device share a row", () => {
  expect(planRows(SLIDING_PLAN).map((row) => [row.title, row.indexes, row.kind, row.count])).toEqual([
    ["Layers", "0-4, 6-10", "sliding", 10],
    ["Layers", "5, 11", "full", 2],
    ["Outside layers", "", "", 1],
    ["Compute", "", "", 1],
    ["Output", "", "", 1],
    ["Overhead", "", "", 1],
  ]);
});

test("nothing is known, nothing is drawn", () => {
  expect(planRows({ ...SLIDING_PLAN, memory: { ...SLIDING_PLAN.memory, total_bytes: null } })).toEqual([]);
});
