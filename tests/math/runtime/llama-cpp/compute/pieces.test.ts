import { describe, expect, test } from "bun:test";
import { type Piece, Pieces } from "../../../../../src/math/runtime/llama-cpp/compute/pieces.ts";

const piece = (low: number, high: number): Piece => ({ low, high, base: low, slope: 0 });

describe("pieces", () => {
  test("a piece is found from its first length to its last, on its own line alone", () => {
    const pieces = new Pieces();
    pieces.keep(7, piece(512, 1024));
    pieces.keep(7, piece(2048, 2048));
    pieces.keep(7, piece(0, 256));
    expect([0, 256, 511, 512, 1024, 1025, 2048, 2049].map((cells) => pieces.find(7, cells)?.low ?? null)).toEqual([
      0,
      0,
      null,
      512,
      512,
      null,
      2048,
      null,
    ]);
    expect(pieces.find(8, 600)).toBeNull();
  });
});
