import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { contextPlaces, placeOf, SEQUENCE_PLACES, shareOf } from "../../../src/web/plan/positions.ts";

describe("places of the sliders", () => {
  test("the context: eighths of an octave in steps of 256, from 1,024 to what was trained", () => {
    const places = contextPlaces(131_072);
    // Below 2,048 an eighth of an octave is under 256 tokens: some places fall together.
    expect(places.slice(0, 5)).toEqual([1024, 1280, 1536, 1792, 2048]);
    expect(places).toContain(8192);
    expect(places.at(-1)).toBe(131_072);
    expect(places.filter((context) => context >= 65_536)).toHaveLength(9);
  });

  test.each([
    [163_840, 163_840],
    [4096, 4096],
    [512, 512],
    [1, 1],
  ])("a model trained for %d ends there", (trained, last) => {
    expect(contextPlaces(trained).at(-1)).toBe(last);
  });

  test("places rise, and each is found again", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (trained) => {
        const places = contextPlaces(trained);
        places.forEach((value, i) => {
          expect(value).toBeGreaterThan(places[i - 1] ?? 0);
          expect(placeOf(places, value)).toBe(i);
        });
      }),
    );
  });

  test("sequences: one by one up to 16, then wider, up to 256", () => {
    expect(SEQUENCE_PLACES.slice(0, 18)).toEqual([...Array.from({ length: 16 }, (_, i) => i + 1), 20, 24]);
    expect(SEQUENCE_PLACES.at(-1)).toBe(256);
  });

  test("a mark stands between two places in proportion", () => {
    expect(shareOf([0, 10, 20], 0)).toBe(0);
    expect(shareOf([0, 10, 20], 5)).toBe(0.25);
    expect(shareOf([0, 10, 20], 20)).toBe(1);
    expect(shareOf([0, 10, 20], 99)).toBe(1);
    expect(shareOf([5], 5)).toBe(1);
  });
});
