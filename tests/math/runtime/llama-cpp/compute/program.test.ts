import { describe, expect, test } from "bun:test";
import { assemble } from "../../../../../src/math/runtime/llama-cpp/compute/assembly.ts";
import { GraphBuilder } from "../../../../../src/math/runtime/llama-cpp/compute/builder.ts";
import type { GraphNode } from "../../../../../src/math/runtime/llama-cpp/compute/graph.ts";
import { partOf } from "../../../../../src/math/runtime/llama-cpp/compute/part.ts";
import { aliveAtPeak, peakBytes } from "../../../../../src/math/runtime/llama-cpp/compute/peak.ts";
import { compile, type Program } from "../../../../../src/math/runtime/llama-cpp/compute/program.ts";
import { schedule } from "../../../../../src/math/runtime/llama-cpp/compute/schedule.ts";
import { describe as describeTensor } from "../../../../../src/math/runtime/llama-cpp/compute/tensor.ts";
import { ACCOUNTED_GPU, ACCOUNTED_HOST } from "./accounting.ts";

const UNSPLIT = { pipelined: false, tied: false } as const;

/** A graph of one part, computed on the host alone with 32-byte alignment. */
function programOf(build: (graph: GraphBuilder) => GraphNode): Program {
  const graph = new GraphBuilder();
  const shared = graph.share(null);
  graph.expand(build(graph));
  graph.endBody();
  const part = partOf(graph.take(), { input: null, result: null, keepsInput: false });
  const assembly = assemble(shared, [{ part, layer: null, devices: [0, 0, 0, 0] }], 1);
  const [program] = compile(schedule(assembly, { ...UNSPLIT, rules: [ACCOUNTED_HOST] }), [32]);
  if (program === undefined) throw new Error("no program");
  return program;
}

/** Sizes below are in F32 elements, 8 = 32 bytes. */
function peakOf(build: (graph: GraphBuilder) => GraphNode): number {
  return peakBytes(programOf(build), 0, 0);
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
    const program = programOf((g) => g.node("scores", "op", ["full", 8], []));
    expect(peakBytes(program, 256, 0)).toBe(4 * 256 * 8);
    expect(peakBytes(program, 512, 0)).toBe(4 * 512 * 8);
    expect(aliveAtPeak(program, 512, 0).alive.map(({ owner, bytes }) => [owner.name, bytes])).toEqual([
      ["scores", 16384],
    ]);
  });
});

describe("parts of a graph, one after the other", () => {
  /** A beginning of one node, two layers that are the same part, on the host alone. */
  function orderOf(layer: (graph: GraphBuilder, input: GraphNode) => GraphNode): readonly string[] {
    const graph = new GraphBuilder();
    const shared = graph.share(null);
    const begin = graph.node("begin", "op", [8], []);
    graph.expand(begin);
    graph.endBody();
    const first = partOf(graph.take(), { input: null, result: begin, keepsInput: false });
    const input = graph.input("input", 4, [8]);
    const result = layer(graph, input);
    graph.endBody();
    graph.expand(result);
    const second = partOf(graph.take(), { input, result, keepsInput: false });
    const sites = [first, second, second].map((part) => ({ part, layer: null, devices: [0, 0, 0, 0] as const }));
    const { order, base } = assemble(shared, sites, 1);
    return Array.from(order, (number) => {
      const k = base.findLastIndex((start) => start <= number);
      return `${sites[k]?.part.nodes[number - (base[k] ?? 0)]?.name} ${k}`;
    });
  }

  test("what nobody has asked for yet is computed where the next part asks for its input", () => {
    const order = orderOf((g, input) => {
      g.expand(g.node("state", "store", [1], []));
      const mixed = g.node("mixed", "op", [8], [input]);
      g.expand(mixed);
      return g.node("out", "in-place", [8], [mixed, input]);
    });
    expect(order).toEqual(["begin 0", "state 1", "mixed 1", "state 2", "out 1", "mixed 2", "out 2"]);
  });

  test("… also when a part expands nothing by itself", () => {
    expect(orderOf((g, input) => g.node("out", "op", [8], [input]))).toEqual(["begin 0", "out 1", "out 2"]);
  });
});

describe("ggml's scheduler", () => {
  const rules = [ACCOUNTED_GPU, ACCOUNTED_HOST];
  const tensor = { name: "w", shape: [8, 64], role: "other", type: "F16", at: null } as const;

  function stepsOf(rows: number, home: number): readonly string[] {
    const graph = new GraphBuilder();
    const input = graph.input("x", 4, [8, rows]);
    const shared = graph.share(null);
    graph.expand(graph.node("y", "matmul", [8, rows], [graph.weight("w", tensor, "layer"), input]));
    graph.endBody();
    const part = partOf(graph.take(), { input: null, result: null, keepsInput: false });
    const assembly = assemble(shared, [{ part, layer: null, devices: [home, home, 1, 1] }], rules.length);
    const made = schedule(assembly, { ...UNSPLIT, rules });
    const copies = made.copies.map((_, i) => assembly.count + i);
    return [...copies, ...assembly.order].map((n) => `${describeTensor(made, n).name}@${made.device[n]}`);
  }

  test("an operation runs where its weight lies; its inputs are copied there", () => {
    expect(stepsOf(1, 0)).toEqual(["x, copied@0", "y@0"]);
  });

  test("a weight on the host is copied over for 32 rows or more", () => {
    expect(stepsOf(31, 1)).toEqual(["y@1"]);
    expect(stepsOf(32, 1)).toEqual(["w, copied@0", "x, copied@0", "y@0"]);
  });
});
