import { describe, expect, test } from "bun:test";
import { formatCell, headComment, table } from "../../scripts/bench.ts";

describe("benchmarks' page", () => {
  test.each([
    [0.012345, "0.0123"],
    [4.9, "4.90"],
    [123.456, "123"],
    [98_765.4, "98,765"],
    [9_999, "9999"],
    [10_000, "10,000"],
    [0, "0"],
    [null, "–"],
    [true, "true"],
    ["ours", "ours"],
  ] as const)("%p is written %p", (cell, want) => {
    expect(formatCell(cell)).toBe(want);
  });

  test("a table has the keys as heads, numbers to the right", () => {
    expect(
      table([
        { what: "a", medianMs: 1.5 },
        { what: "b", medianMs: null },
      ]),
    ).toBe(["| what | median ms |", "| --- | --: |", "| a | 1.50 |", "| b | – |"].join("\n"));
  });

  test("the method is the first comment, as one paragraph", () => {
    expect(headComment("/**\n * One line,\n * and another.\n */\nimport x;\n/** not this */")).toBe(
      "One line, and another.",
    );
  });
});

test("a unit in a key stays a unit in the heading", () => {
  const [head] = table([{ residentMiB: 58.2, p95Ms: 31, plansPerSecond: 9 }]).split("\n");
  expect(head).toBe("| resident MiB | p95 ms | plans per second |");
});
