import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  blocksOf,
  grownTokens,
  mibFor,
  poolBlocks,
  poolStates,
} from "../../../../src/math/runtime/mistral-rs/caches.ts";

describe("tokens that a growing cache has room for", () => {
  // 512 at first and by 512 more; a window: itself at first, and never more than 512 beside it.
  test.each([
    ["one token", 1, null, 512],
    ["a full step", 512, null, 512],
    ["one more", 513, null, 1024],
    ["a long one", 8192, null, 8192],
    ["a short window not yet full", 100, 128, 128],
    ["a short window once it is full", 200, 128, 512],
    ["a short window for good", 5000, 128, 640],
    ["a long window at first", 100, 4096, 512],
    ["a long window on the way", 3000, 4096, 3072],
    ["a long window for good", 100_000, 4096, 4608],
    ["a window that is no whole step", 1300, 1000, 1512],
  ])("%s", (_, context, window, want) => {
    expect(grownTokens(context, window)).toBe(want);
  });

  test("law: never less than what is seen, never less with more context, never more with a window", () => {
    const tokens = fc.integer({ min: 1, max: 200_000 });
    fc.assert(
      fc.property(tokens, fc.option(tokens), (context, window) => {
        const here = grownTokens(context, window);
        expect(here).toBeGreaterThanOrEqual(window === null ? context : Math.min(context, window));
        expect(grownTokens(context + 1, window)).toBeGreaterThanOrEqual(here);
        if (context >= 512) expect(here).toBeLessThanOrEqual(grownTokens(context, null));
      }),
    );
  });
});

describe("a pool of blocks", () => {
  // 8192 / 32 = 256 blocks and one that nobody gets; 100 tokens are 4 blocks.
  test.each([
    [8192, 1, 257],
    [100, 1, 5],
    [100, 3, 13],
  ])("%d tokens of %d sequences", (context, sequences, want) => {
    expect(poolBlocks(context, sequences)).toBe(want);
  });

  // Llama 3 8B: 32 layers · 2 · 8 · 128 = 65,536 elements a token; in 16 bits a block is 4 MiB.
  test("mistral.rs's integer steps from MiB to blocks", () => {
    expect(blocksOf(16_953, 2, 65_536)).toBe(4238);
    expect(mibFor(257, 2, 65_536)).toBe(1028);
    expect(mibFor(257, 1, 65_536)).toBe(514);
  });

  test("law: so many MiB make so many blocks, and one less does not", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.constantFrom(1, 2, 4),
        fc.integer({ min: 1, max: 500_000 }),
        (blocks, bytes, elements) => {
          const mib = mibFor(blocks, bytes, elements);
          expect(blocksOf(mib, bytes, elements)).toBeGreaterThanOrEqual(blocks);
          expect(blocksOf(mib - 1, bytes, elements)).toBeLessThan(blocks);
        },
      ),
    );
  });
});

test("states: nine at first, doubled; CUDA graphs take one", () => {
  expect(poolStates(1, false)).toBe(9);
  expect(poolStates(9, false)).toBe(9);
  expect(poolStates(9, true)).toBe(18);
  expect(poolStates(40, false)).toBe(72);
});
