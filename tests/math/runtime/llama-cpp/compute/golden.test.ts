import { expect, test } from "bun:test";
import golden from "../../../../goldens/compute/accounting.json" with { type: "json" };
import { compareAll, type Summary, summarize } from "./accounting.ts";

test("compute buffers are no further from the engine's accounting than the golden says", () => {
  const now = summarize(compareAll());
  const stored: Record<string, Summary> = golden;
  expect(Object.keys(stored).filter((key) => now[key] === undefined)).toEqual([]);
  const worse = Object.entries(now).filter(([key, { rows, exact, median, p90, max }]) => {
    // Architectures that are exact need no line in the golden.
    const before = stored[key] ?? { rows, exact: rows, median: 0.01, p90: 0.01, max: 0.01 };
    return rows < before.rows || exact < before.exact || median > before.median || p90 > before.p90 || max > before.max;
  });
  expect(worse).toEqual([]);
}, 60_000);
