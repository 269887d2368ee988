import { expect, test } from "bun:test";
import golden from "../../../../goldens/compute/accounting.json" with { type: "json" };
import { compareAll, type Summary, summarize } from "./accounting.ts";

test("compute buffers are no further from the engine's accounting than the golden says", () => {
  const now = summarize(compareAll());
  const stored: Record<string, Summary> = golden;
  expect(Object.keys(now)).toEqual(Object.keys(stored));
  const worse = Object.entries(now).filter(([key, { rows, exact, median, p90, max }]) => {
    const before = stored[key];
    if (before === undefined) return true;
    return rows < before.rows || exact < before.exact || median > before.median || p90 > before.p90 || max > before.max;
  });
  expect(worse).toEqual([]);
}, 60_000);
