import { expect, test } from "bun:test";
import fc from "fast-check";
import { didYouMean, editDistance, nearestNames } from "../src/nearest.ts";

test.each([
  ["kitten", "sitting", 3],
  ["", "abc", 3],
  ["abc", "abc", 0],
  ["abc", "acb", 2],
] as const)("%s and %s differ in %d", (a, b, want) => {
  expect(editDistance(a, b)).toBe(want);
});

test("distance is symmetric, and never more than the longer word", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
    }),
  );
});

test("names that hold the asked one come first, unlike ones never", () => {
  const names = ["rtx-3060-8gb", "rtx-3060-12gb", "rtx-2060", "rtx-4090", "epyc-genoa"];
  expect(nearestNames("RTX 3060", names)).toEqual(["rtx-3060-8gb", "rtx-3060-12gb", "rtx-2060"]);
  expect(nearestNames("4090", names)).toEqual(["rtx-4090"]);
  expect(nearestNames("zzzzzz", names)).toEqual([]);
  expect(didYouMean("zzzzzz", names)).toBeNull();
  expect(didYouMean("4090", names)).toBe("did you mean rtx-4090?");
});
