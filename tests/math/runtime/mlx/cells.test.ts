import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { cellsAt } from "../../../../src/math/runtime/mlx/cells.ts";

const WHOLE = { kind: "whole", window: 0 } as const;

/** Room of a KVCache as its update_and_fetch leaves it, a step after the other. */
function walked(context: number, step: number): { wholeSteps: number; prompt: number; end: number } {
  let [room, valid] = [0, 0];
  const put = (tokens: number): number => {
    if (valid + tokens > room) room = (valid % 256 === 0 ? room : valid) + 256 * Math.ceil(tokens / 256);
    valid += tokens;
    return room;
  };
  while (context - 1 - valid >= step) put(step);
  const wholeSteps = room;
  const prompt = valid < context - 1 ? put(context - 1 - valid) : room;
  return { wholeSteps, prompt, end: put(1) };
}

describe("a cache as long as the text", () => {
  test("is what one step after the other makes of it", () => {
    const tokens = fc.integer({ min: 1, max: 200_000 });
    fc.assert(
      fc.property(tokens, fc.integer({ min: 1, max: 5000 }), (context, step) => {
        expect(cellsAt(WHOLE, context, step)).toEqual(walked(context, step));
      }),
      { numRuns: 300 },
    );
  });

  test("one token at a time: whole 256s, however long", () => {
    expect(cellsAt(WHOLE, 2 ** 40, 1)).toEqual({ wholeSteps: 2 ** 40, prompt: 2 ** 40, end: 2 ** 40 });
    expect(cellsAt(WHOLE, 2 ** 40 + 1, 1)).toEqual({ wholeSteps: 2 ** 40, prompt: 2 ** 40, end: 2 ** 40 + 256 });
  });

  test("300 at a time: 512 more whenever there is no room, cut to what is in use unless that is whole 256s", () => {
    // Every 64 steps 19,200 tokens are 75 x 256: the 212 that were free stay beside the new 512.
    const steps = 64_000_000_000;
    const whole = (more: number): number => cellsAt(WHOLE, (steps + more) * 300 + 1, 300).wholeSteps;
    expect(whole(1)).toBe(steps * 300 + 212 + 512);
    expect(whole(2)).toBe(steps * 300 + 212 + 512);
    expect(whole(3)).toBe((steps + 2) * 300 + 512);
  });
});
