import { describe, expect, test } from "bun:test";
import { stubGguf } from "../../../src/engines/llama-cpp/stub-gguf.ts";

/** Little-endian bytes of a u64, by hand. */
const u64 = (n: number): number[] => [n, 0, 0, 0, 0, 0, 0, 0];
const u32 = (n: number): number[] => [n & 255, (n >> 8) & 255, 0, 0];
const text = (s: string): number[] => [...s].map((c) => c.charCodeAt(0));
const string = (s: string): number[] => [...u64(s.length), ...text(s)];

describe("stubGguf", () => {
  test("writes header, pairs and tensors byte for byte", () => {
    const bytes = stubGguf(
      [
        { key: "a", type: "u32", value: "258" },
        { key: "b", type: "bool", value: [true, false] },
        { key: "c", type: "str", value: "é" },
      ],
      [
        { name: "t", type: "Q4_0" },
        { name: "u", type: "F32" },
      ],
    );
    const want = [
      ...text("GGUF"),
      ...u32(3),
      ...u64(2),
      ...u64(3),
      ...[...string("a"), ...u32(4), ...u32(258)],
      ...[...string("b"), ...u32(9), ...u32(7), ...u64(2), 1, 0],
      ...[...string("c"), ...u32(8), ...u64(2), 0xc3, 0xa9],
      // 256 elements each; Q4_0: 8 blocks of 18 bytes = 144, to the next multiple of 32: 160
      ...[...string("t"), ...u32(1), 0, 1, 0, 0, 0, 0, 0, 0, ...u32(2), ...u64(0)],
      ...[...string("u"), ...u32(1), 0, 1, 0, 0, 0, 0, 0, 0, ...u32(0), ...u64(160)],
    ];
    while (want.length % 32 !== 0) want.push(0);
    expect([...bytes]).toEqual(want);
  });

  test.each([
    ["f32", "inf", [0, 0, 0x80, 0x7f]],
    ["f32", 1e-6, [0xbd, 0x37, 0x86, 0x35]],
    ["f64", 1, [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]],
    ["i64", "-2", [0xfe, 255, 255, 255, 255, 255, 255, 255]],
    ["u64", "18446744073709551615", [255, 255, 255, 255, 255, 255, 255, 255]],
    ["u16", 513, [1, 2]],
    ["i8", -1, [255]],
  ] as const)("%s %s", (type, value, want) => {
    const bytes = stubGguf([{ key: "k", type, value }], []);
    // 24 of header, 9 of key, 4 of type
    expect([...bytes.slice(37, 37 + want.length)]).toEqual([...want]);
  });

  test("grows past its first buffer", () => {
    const long = "x".repeat(200_000);
    expect(stubGguf([{ key: "k", type: "str", value: long }], []).length).toBe(200_064);
  });

  test("refuses a tensor type that ggml has not, and an integer that is none", () => {
    expect(() => stubGguf([], [{ name: "t", type: "Q9_9" }])).toThrow('its type "Q9_9" is not one of ggml\'s');
    expect(() => stubGguf([{ key: "k", type: "u32", value: "1.5" }], [])).toThrow('"1.5" is not an integer');
  });
});
