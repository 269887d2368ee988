import { describe, expect, test } from "bun:test";
import { GraphBuilder, type GraphNode } from "../../../../../src/math/runtime/llama-cpp/compute/graph.ts";
import { aliveAtPeak, compile, peakBytes } from "../../../../../src/math/runtime/llama-cpp/compute/program.ts";
import { schedule } from "../../../../../src/math/runtime/llama-cpp/compute/schedule.ts";
import { ACCOUNTED_GPU, ACCOUNTED_HOST } from "./accounting.ts";

/** The host alone, 32-byte alignment; sizes below are in F32 elements, 8 = 32 bytes. */
function peakOf(build: (graph: GraphBuilder) => GraphNode): number {
  const graph = new GraphBuilder();
  graph.expand(build(graph));
  const [program] = compile(schedule(graph, { rules: [ACCOUNTED_HOST], pipelined: false, ties: null }), [32]);
  if (program === undefined) throw new Error("no program");
  return peakBytes(program, 0, 0);
}

describe("ggml's allocator", () => {
  test("a source is given back after its last use: a chain needs two of its tensors at a time", () => {
    const peak = peakOf((g) => {
      const a = g.node("a", "op", [8], []);
      const b = g.node("b", "op", [8], [a]);
      return g.node("c", "op", [8], [b]);
    });
    expect(peak).toBe(2 * 32);
  });

  test("an operation in place takes over its source's memory when nobody else reads it", () => {
    const peak = peakOf((g) => g.node("b", "in-place", [8], [g.node("a", "op", [8], [])]));
    expect(peak).toBe(32);
  });

  test("… but not a view's, and not of another shape", () => {
    expect(peakOf((g) => g.node("b", "in-place", [8], [g.view(g.node("a", "op", [8], []))]))).toBe(2 * 32);
    expect(peakOf((g) => g.node("b", "in-place", [4, 2], [g.node("a", "op", [8], [])]))).toBe(2 * 32);
  });

  test("… and not of one that is read later", () => {
    const peak = peakOf((g) => {
      const a = g.node("a", "op", [8], []);
      const b = g.node("b", "in-place", [8], [a]);
      return g.node("c", "op", [8], [b, a]);
    });
    expect(peak).toBe(3 * 32);
  });

  test("the smallest gap that is large enough is taken first", () => {
    // a 64, b 32 (kept), c 32, d 32 (kept); a and c are given back: gaps of 64 and 32. e (32) fits the second exactly.
    const peak = peakOf((g) => {
      const a = g.node("a", "op", [16], []);
      const b = g.node("b", "op", [8], [a]);
      const c = g.node("c", "op", [8], [b]);
      const d = g.node("d", "op", [8], [c, a]);
      const e = g.node("e", "op", [8], [d]);
      const f = g.node("f", "op", [16], [e]);
      return g.node("end", "op", [8], [f, e, d, b]);
    });
    // a 0-64, b 64-96, c 96-128, d 128-160; e 96-128; f 0-64; end behind d: 160-192.
    expect(peak).toBe(192);
  });

  test("outputs are never given back", () => {
    const peak = peakOf((g) => {
      const a = g.node("a", "op", [8], [], { output: true });
      const b = g.node("b", "in-place", [8], [a]);
      return g.node("c", "op", [8], [b]);
    });
    expect(peak).toBe(3 * 32);
  });

  test("sizes are rounded up to the alignment", () => {
    expect(peakOf((g) => g.node("b", "op", [9], [g.node("a", "op", [1], [])]))).toBe(32 + 64);
  });

  test("a cache's length is filled in when it is known", () => {
    const graph = new GraphBuilder();
    graph.expand(graph.node("scores", "op", ["full", 8], []));
    const [program] = compile(schedule(graph, { rules: [ACCOUNTED_HOST], pipelined: false, ties: null }), [32]);
    if (program === undefined) throw new Error("no program");
    expect(peakBytes(program, 256, 0)).toBe(4 * 256 * 8);
    expect(peakBytes(program, 512, 0)).toBe(4 * 512 * 8);
    expect(aliveAtPeak(program, 512, 0).alive.map(({ owner, bytes }) => [owner.name, bytes])).toEqual([
      ["scores", 16384],
    ]);
  });
});

describe("ggml's scheduler", () => {
  const rules = [ACCOUNTED_GPU, ACCOUNTED_HOST];
  const weight = (g: GraphBuilder, home: number) => g.weight("w", { fixed: 1024, full: 0, window: 0 }, home, null);

  function devicesOf(rows: number, home: number): readonly string[] {
    const graph = new GraphBuilder();
    const input = graph.input("x", 4, [8, rows]);
    graph.expand(graph.node("y", "matmul", [8, rows], [weight(graph, home), input]));
    return schedule(graph, { rules, pipelined: false, ties: null }).steps.map(
      (s) => `${s.tensor.name}@${s.tensor.device}`,
    );
  }

  test("an operation runs where its weight lies; its inputs are copied there", () => {
    expect(devicesOf(1, 0)).toEqual(["x, copied@0", "y@0"]);
  });

  test("a weight on the host is copied over for 32 rows or more", () => {
    expect(devicesOf(31, -1)).toEqual(["y@1"]);
    expect(devicesOf(32, -1)).toEqual(["w, copied@0", "x, copied@0", "y@0"]);
  });
});
