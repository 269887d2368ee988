import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseSize } from "../../src/hardware/size.ts";

test.each([
  ["24GiB", 25_769_803_776],
  ["24 GiB", 25_769_803_776],
  ["24GB", 24_000_000_000],
  ["24gb", 24_000_000_000],
  ["512MiB", 536_870_912],
  ["1.5GiB", 1_610_612_736],
  ["1TB", 1_000_000_000_000],
  ["0GiB", 0],
  ["700b", 700],
] as const)("%s is %d bytes", (text, want) => {
  expect(parseSize(text)).toBe(want);
});

test.each(["24", "24G", "GiB", "-1GiB", "24GiBs", "1e3GiB", "", "9999999TiB", "1,5GiB", "0x10GiB"])(
  "%p is no size",
  (text) => {
    expect(parseSize(text)).toBeNull();
  },
);

test("a unit of 2^n holds more than the one of 10^n", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4000 }), fc.constantFrom("K", "M", "G"), (n, unit) => {
      expect(parseSize(`${n}${unit}iB`) ?? 0).toBeGreaterThan(parseSize(`${n}${unit}B`) ?? Number.POSITIVE_INFINITY);
    }),
  );
});
