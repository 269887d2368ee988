import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { largest, largestNear } from "../../../src/math/runtime/search.ts";

describe("the largest that is good", () => {
  test("is the last before the first bad one; null when there is none", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50 }), fc.integer({ min: -1, max: 60 }), (high, last) => {
        expect(largest(0, high, (i) => i <= last)).toBe(last < 0 ? null : Math.min(last, high));
      }),
    );
    expect(largest(3, 2, () => true)).toBeNull();
  });

  test("an estimate, however wrong, changes nothing but the work", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 200 }),
        fc.integer({ min: -1, max: 220 }),
        fc.integer({ min: -1, max: 220 }),
        (high, last, guess) => {
          let asked = 0;
          const exact = (i: number): boolean => {
            asked++;
            return i <= last;
          };
          expect(largestNear(0, high, (i) => i <= guess, exact)).toBe(largest(0, high, (i) => i <= last));
          if (guess === last) expect(asked).toBeLessThan(3);
        },
      ),
    );
  });
});
