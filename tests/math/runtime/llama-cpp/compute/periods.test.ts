import { describe, expect, test } from "bun:test";
import { keepPeriods } from "../../../../../src/math/runtime/llama-cpp/compute/periods.ts";

describe("layers that stand for others", () => {
  test("alike ones: the first three and the last", () => {
    expect(keepPeriods([..."aaaaaaaa"])).toEqual({ layers: [0, 1, 2, 7], seams: [{ at: 3, period: 1 }] });
  });

  test("a pattern: three periods, then the last whole one and what is begun after it", () => {
    // abb six times and a b: periods at 0, 3 … 15; 9 to 14 are left out.
    expect(keepPeriods([..."abbabbabbabbabbabbab"])).toEqual({
      layers: [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 19],
      seams: [{ at: 9, period: 3 }],
    });
  });

  test("runs one after the other, and single layers, are kept apart", () => {
    const kept = keepPeriods([..."xaaaaaaaybbbbbb"]);
    expect(kept.layers).toEqual([0, 1, 2, 3, 7, 8, 9, 10, 11, 14]);
    expect(kept.seams).toEqual([
      { at: 4, period: 1 },
      { at: 9, period: 1 },
    ]);
  });

  test("too short to leave anything out", () => {
    expect(keepPeriods([..."aaaa"])).toEqual({ layers: [0, 1, 2, 3], seams: [] });
    expect(keepPeriods([])).toEqual({ layers: [], seams: [] });
  });
});
