import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { shapeCaches } from "../../../../src/math/runtime/llama-cpp/caches.ts";

const defaults = { kvUnified: false, batch: 2048, ubatch: 512, swaFull: false };

describe("cells of a stream", () => {
  // Worked from the rule: pad(context · S, 256), then pad(⌊n_ctx / S⌋, 256) a stream.
  test.each([
    ["one sequence", 8192, 1, false, { streams: 1, cells: 8192, contextTotal: 8192 }],
    ["one token more is 256 more", 8193, 1, false, { streams: 1, cells: 8448, contextTotal: 8448 }],
    ["split among four", 8192, 4, false, { streams: 4, cells: 8192, contextTotal: 32768 }],
    ["a pool for four", 8192, 4, true, { streams: 1, cells: 8192, contextTotal: 8192 }],
    // 334 · 3 = 1002 → 1024; 1024 / 3 = 341 → 512 a stream; 1536 in all
    ["rounded a second time when split", 334, 3, false, { streams: 3, cells: 512, contextTotal: 1536 }],
  ])("%s", (_, context, sequences, kvUnified, want) => {
    expect(shapeCaches({ ...defaults, kvUnified }, context, sequences)).toMatchObject(want);
  });
});

describe("cells of a window", () => {
  // gemma 3's window of 1,024 at 32,768 tokens, as llama.cpp v0.5.0 printed them.
  test.each([
    ["one sequence: 1024 + 512", 32768, 1, false, 512, 1536],
    ["a pool for four: 4 · 1024 + 512", 32768, 4, true, 512, 4608],
    ["four streams", 32768, 4, false, 512, 1536],
    ["a larger step: 1024 + 2048", 32768, 1, false, 2048, 3072],
    ["never more than the context", 1024, 1, false, 512, 1024],
  ])("%s", (_, context, sequences, kvUnified, ubatch, want) => {
    expect(shapeCaches({ ...defaults, kvUnified, ubatch }, context, sequences).windowCells(1024)).toBe(want);
  });

  test("swa_full keeps every cell", () => {
    expect(shapeCaches({ ...defaults, swaFull: true }, 32768, 1).windowCells(1024)).toBe(32768);
  });
});

test("a step is cut to batch and context", () => {
  expect(shapeCaches({ ...defaults, batch: 128 }, 8192, 1).stepTokens).toBe(128);
  // llama.cpp v0.5.0 with 300 tokens of context: n_ctx 512, n_batch 300.
  expect(shapeCaches(defaults, 300, 1)).toMatchObject({ contextTotal: 512, stepTokens: 300 });
  expect(shapeCaches(defaults, 8192, 1).stepTokens).toBe(512);
});

test("law: a window never has more cells than full attention, and both grow with the context", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 20 }),
      fc.integer({ min: 1, max: 256 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 8192 }),
      (context, sequences, kvUnified, window) => {
        const here = shapeCaches({ ...defaults, kvUnified }, context, sequences);
        const more = shapeCaches({ ...defaults, kvUnified }, context + 1, sequences);
        expect(here.windowCells(window)).toBeLessThanOrEqual(here.cells);
        expect(more.cells).toBeGreaterThanOrEqual(here.cells);
        expect(here.cells * here.streams).toBe(here.contextTotal);
        expect(here.cells % 256).toBe(0);
      },
    ),
  );
});
