import { describe, expect, test } from "bun:test";
import { CURVE_PARTS, curveOf } from "../../../src/web/plan/curve.ts";
import { drawnScene } from "./scenes.ts";

const scene = drawnScene({ dump: "llama-3.1-8b-q4_k_m", device: "rtx-4090" });

describe("memory against context", () => {
  test("the top of the stack at the plan's own context is what the plan needs", () => {
    const { contexts, stacked } = curveOf(scene, 1);
    const now = contexts.indexOf(scene.drawn.context);
    expect(now).toBeGreaterThan(0);
    expect(stacked.at(-1)?.[now]).toBe(scene.result.memory.by_device[0]?.total_bytes);
  });

  test("planned at every fourth place: equal there and at the last, and near by between", () => {
    const whole = curveOf(scene, 1);
    const rough = curveOf(scene, 4);
    const last = whole.contexts.length - 1;
    expect(rough.contexts).toEqual(whole.contexts);
    CURVE_PARTS.forEach((_, k) => {
      for (let i = 0; i <= last; i++) {
        const bytes = whole.stacked[k]?.[i] ?? Number.NaN;
        const near = rough.stacked[k]?.[i] ?? Number.NaN;
        if (i % 4 === 0 || i === last) expect(near).toBe(bytes);
        // A pixel of the chart is one in 200.
        else expect(Math.abs(near - bytes)).toBeLessThan(bytes / 200);
      }
    });
  });
});
