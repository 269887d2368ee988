import { describe, expect, test } from "bun:test";
import { exactCacheBytes, magnified } from "../../../src/engines/llama-cpp/exact-caches.ts";
import type { CachePart, ContextAnswer } from "../../../src/engines/llama-cpp/protocol.ts";

function answer(caches: readonly CachePart[]): ContextAnswer {
  return {
    event: "context",
    index: 0,
    status: "ok",
    contextTotal: null,
    totalBytes: 0,
    caches,
    states: [],
    compute: [],
    output: [],
    flashAttention: null,
    milliseconds: 0,
  };
}

const part = (cells: number, streams: number, k: number, v: number): CachePart => ({
  cells,
  streams,
  layers: 3,
  mib: k + v,
  k: { type: "q4_0", mib: k },
  v: { type: "f16", mib: v },
});

describe("exactCacheBytes", () => {
  // 3 layers; K rows of 64 q4_0 elements: 36 bytes; V rows of 48 f16 elements: 96 bytes. A cell: 108 + 288 bytes.
  // 2^20 cells: 108 and 288 MiB exactly. 256 cells · 2 streams: 55,296 bytes (0.0527 MiB) and 147,456 (0.1406 MiB).
  const large = answer([part(2 ** 20, 1, 108, 288)]);

  test("reads the bytes of a cell off the magnified answer", () => {
    expect(exactCacheBytes(answer([part(256, 2, 0.05, 0.14)]), large)).toBe(202_752);
  });

  test("sums windowed caches beside full ones", () => {
    const both = answer([part(256, 1, 0.03, 0.07), part(512, 1, 0.05, 0.14)]);
    const largeBoth = answer([part(2 ** 20, 1, 108, 288), part(2 ** 20, 1, 108, 288)]);
    expect(exactCacheBytes(both, largeBoth)).toBe(768 * 396);
  });

  test.each([
    ["another number of caches", answer([]), large],
    ["other layers", answer([{ ...part(256, 2, 0.05, 0.14), layers: 4 }]), large],
    ["no whole number of bytes", answer([part(256, 2, 0.05, 0.14)]), answer([part(2 ** 20, 1, 108.3, 288)])],
    ["not what was printed", answer([part(256, 2, 5, 14)]), large],
    ["a refusal", { event: "context", index: 0, status: "refused", reason: "no" } as const, large],
  ])("null for %s", (_why, asked, magnifiedAnswer) => {
    expect(exactCacheBytes(asked, magnifiedAnswer)).toBeNull();
  });

  test("no cache is no bytes", () => {
    expect(exactCacheBytes(answer([]), answer([]))).toBe(0);
  });
});

test("magnified keeps types and flash attention, and lifts windows", () => {
  expect(
    magnified({
      contextTotal: 4096,
      sequences: 4,
      ubatch: 512,
      flashAttention: "off",
      kvTypeK: "Q8_0",
      kvTypeV: "F16",
      swaFull: false,
    }),
  ).toEqual({
    contextTotal: 1_048_576,
    sequences: 1,
    ubatch: 32,
    flashAttention: "off",
    kvTypeK: "Q8_0",
    kvTypeV: "F16",
    swaFull: true,
  });
});
