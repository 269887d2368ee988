import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AppError } from "../../src/errors.ts";
import { elementsByDtype, parseSafetensorsIndex, readSafetensorsHeader } from "../../src/hub/safetensors.ts";
import { safetensorsFile } from "../fakes/hub-models.ts";
import { errorIn, errorOf } from "./app-error.ts";
import { memorySource } from "./gguf/memory-source.ts";

function raw(json: string, size: number, lengthSaid: bigint = BigInt(json.length)) {
  const bytes = new Uint8Array(8 + json.length);
  new DataView(bytes.buffer).setBigUint64(0, lengthSaid, true);
  bytes.set(new TextEncoder().encode(json), 8);
  return memorySource(bytes, size, "x.safetensors");
}

describe("readSafetensorsHeader", () => {
  test("reads names, types and sizes, in one request", async () => {
    const { bytes, size } = safetensorsFile("x", { a: ["BF16", [2, 3], 12], b: ["U8", [5], 5], c: ["BF16", [1], 2] });
    const source = memorySource(bytes, size);
    const tensors = await readSafetensorsHeader(source);
    expect(tensors).toEqual([
      { name: "a", dtype: "BF16", shape: [2, 3], bytes: 12 },
      { name: "b", dtype: "U8", shape: [5], bytes: 5 },
      { name: "c", dtype: "BF16", shape: [1], bytes: 2 },
    ]);
    expect(elementsByDtype(tensors)).toEqual({ BF16: 7, U8: 5 });
    expect(source.asked.length).toBe(1);
  });

  test("takes a second request for a header past 128 KiB, and only to its end", async () => {
    const names = Array.from({ length: 3000 }, (_, i) => [`layer.${i}`, ["F16", [1], 2]] as const);
    const { bytes, size } = safetensorsFile("x", Object.fromEntries(names));
    const source = memorySource(bytes, (size ?? 0) + 0);
    expect((await readSafetensorsHeader(source)).length).toBe(3000);
    expect(source.asked).toEqual([
      [0, 131_072],
      [131_072, bytes.length - 131_072],
    ]);
  });

  test.each([
    ["a header longer than the file", raw("{}", 10, 100n), /longer than the file/],
    ["a header of 26 MiB", raw("{}", 1e12, 26n * 2n ** 20n), /claims 27262976 bytes/],
    ["2^64 - 1", raw("{}", 1e12, 2n ** 64n - 1n), /claims/],
    ["no JSON", raw("{a}", 11), /no JSON/],
    ["an array", raw("[]", 10), /not as it should be/],
    ["an entry without offsets", raw('{"a":{"dtype":"F16","shape":[1]}}', 100), /entry "a"/],
    [
      "a tensor past the end",
      raw('{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,9]}}', 8 + 54 + 2),
      /"a" ends outside/,
    ],
    [
      "tensors that overlap",
      raw(
        '{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"b":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}',
        8 + 107 + 2,
      ),
      /they overlap/,
    ],
    [
      "more elements than there are bits",
      raw('{"a":{"dtype":"F16","shape":[9007199254740991],"data_offsets":[0,2]}}', 8 + 69 + 2),
      /"a" has more elements than bits/,
    ],
    ["a negative shape", raw('{"a":{"dtype":"F16","shape":[-1],"data_offsets":[0,2]}}', 100), /entry "a"/],
    ["four bytes", memorySource(new Uint8Array(4)), /has 4 bytes/],
  ])("refuses %s", async (_name, source, sentence) => {
    const error = await errorOf(readSafetensorsHeader(source));
    expect(error.code).toBe("malformed");
    expect(error.message).toMatch(sentence);
  });

  test("any bytes are a header or malformed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const outcome = await readSafetensorsHeader(memorySource(bytes)).catch((error: unknown) => error);
        expect(Array.isArray(outcome) || (outcome instanceof AppError && outcome.code === "malformed")).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe("parseSafetensorsIndex", () => {
  test("names each file once, and the bytes of all", () => {
    const text = JSON.stringify({
      metadata: { total_size: 42 },
      weight_map: { a: "2.safetensors", b: "1.safetensors", c: "2.safetensors" },
    });
    expect(parseSafetensorsIndex(text, "i")).toEqual({ totalBytes: 42, files: ["1.safetensors", "2.safetensors"] });
  });

  test("a total that is no count is not said", () => {
    expect(parseSafetensorsIndex('{"metadata":{"total_size":"42"},"weight_map":{}}', "i").totalBytes).toBeNull();
    expect(parseSafetensorsIndex('{"weight_map":{}}', "i").totalBytes).toBeNull();
  });

  test.each(["", "[]", "{}", '{"weight_map":{"a":1}}'])("refuses %p", (text) => {
    expect(errorIn(() => parseSafetensorsIndex(text, "i")).code).toBe("malformed");
  });
});
