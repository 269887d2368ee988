/** Whatever the bytes: a header or an AppError that says so, in bounded time and memory. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { AppError } from "../../../src/errors.ts";
import { readHeader } from "../../../src/hub/gguf/read-header.ts";
import { fileFromDump, readDump } from "../../fixtures/gguf-dumps.ts";
import { encodeGguf } from "../../fixtures/gguf-writer.ts";
import { LONG } from "../../requires.ts";
import { memorySource } from "./memory-source.ts";

const RUNS = LONG ? 20_000 : 1000;
/** The long form takes 15 s a test on two busy cores. */
const MOST_MS = LONG ? 120_000 : 10_000;

/** A real header, its vocabulary cut to 40 words so that the mutations meet all of it. */
const HEADER = (() => {
  const dump = readDump("deepseek2-r1-q4_k_m-1-of-9");
  const kv = Object.fromEntries(
    Object.entries(dump.kv).map(([key, entry]) => [
      key,
      "arr" in entry ? { ...entry, length: Math.min(entry.length, 40) } : entry,
    ]),
  );
  return encodeGguf(fileFromDump({ ...dump, kv, tensors: (dump.tensors ?? []).slice(0, 40) }));
})();

async function outcome(bytes: Uint8Array, size: number): Promise<"read" | "refused"> {
  const source = memorySource(bytes, size);
  try {
    await readHeader(source, 0, { first: 512, next: 4096 });
    return "read";
  } catch (error) {
    if (error instanceof AppError && (error.code === "malformed" || error.code === "unsupported")) return "refused";
    throw error;
  } finally {
    // Nothing past the file's end was asked for, and no window larger than the file.
    for (const [offset, length] of source.asked) expect(offset + length).toBeLessThanOrEqual(size);
  }
}

test("the header itself is read", async () => {
  expect(await outcome(HEADER.header, HEADER.fileBytes)).toBe("read");
});

test(
  "cut anywhere in its header, it is refused",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: HEADER.header.length - 1 }), async (size) => {
        expect(await outcome(HEADER.header.subarray(0, size), size)).toBe("refused");
      }),
      { numRuns: RUNS },
    );
  },
  MOST_MS,
);

test(
  "with any bytes of it changed, it is read or refused",
  async () => {
    const change = fc.record({
      at: fc.nat({ max: HEADER.header.length - 8 }),
      bytes: fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 8 }),
        fc.constantFrom(
          new Uint8Array(8).fill(0xff),
          new Uint8Array(8),
          new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0x80]),
          new Uint8Array([0xff, 0xff, 0xff, 0x7f]),
          new Uint8Array([9, 0, 0, 0]),
        ),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = HEADER.header.slice();
        for (const { at, bytes: patch } of changes) bytes.set(patch.subarray(0, bytes.length - at), at);
        expect(["read", "refused"]).toContain(await outcome(bytes, HEADER.fileBytes));
      }),
      { numRuns: RUNS },
    );
  },
  MOST_MS,
);

test(
  "a header of noise is refused",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.boolean(), async (noise, magic) => {
        const start = magic ? [0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0] : [];
        const bytes = new Uint8Array([...start, ...noise]);
        expect(await outcome(bytes, bytes.length)).toBe("refused");
      }),
      { numRuns: RUNS },
    );
  },
  MOST_MS,
);
