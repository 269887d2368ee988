import { describe, expect, test } from "bun:test";
import { stepTimes } from "../../../scripts/bench-lib/page-trace.ts";

const at = (name: string, ts: number, dur: number, more: object = {}) => ({
  name,
  cat: "devtools.timeline",
  ph: "X",
  pid: 1,
  tid: 1,
  ts,
  dur,
  ...more,
});
const mark = (ts: number) => at("step", ts, 0, { cat: "blink.user_timing", ph: "I" });

describe("a trace's steps", () => {
  test("a task is counted in the steps it lies in, a call within a call once, other threads not at all", () => {
    const events = [
      mark(1000),
      mark(11_000),
      mark(21_000),
      at("RunTask", 2000, 3000, { tdur: 1500 }),
      at("RunTask", 10_000, 4000), // 1 ms in the first step, 3 ms in the second
      at("RunTask", 30_000, 5000),
      at("RunTask", 3000, 9000, { tid: 2 }),
      at("FunctionCall", 2500, 2000),
      at("FunctionCall", 3000, 1000),
    ];
    expect(stepTimes(events, "step")).toEqual({ main: [4, 3], processor: [2.5, 3], script: [2, 0] });
  });

  test("no mark: said, not measured as nothing", () => {
    expect(() => stepTimes([at("RunTask", 0, 1)], "step")).toThrow('no mark "step"');
  });
});
