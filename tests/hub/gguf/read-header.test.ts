import { describe, expect, test } from "bun:test";
import { AppError, type ErrorCode } from "../../../src/errors.ts";
import { FIRST_SHARD_STEPS, type FileHeader, readHeader } from "../../../src/hub/gguf/read-header.ts";
import { dumpNames, fileFromDump, type GgufDump, headerFromDump, readDump } from "../../fixtures/gguf-dumps.ts";
import { encodeGguf, type GgufFile, type KvValue } from "../../fixtures/gguf-writer.ts";
import { memorySource } from "./memory-source.ts";

const ARCHITECTURE: [string, KvValue] = ["general.architecture", { type: "str", value: "llama" }];

function file(change: Partial<GgufFile> = {}): GgufFile {
  return { kv: [ARCHITECTURE], tensors: [{ name: "t", shape: [256, 2], type: "Q4_K" }], ...change };
}

function read(gguf: GgufFile, cut: (size: number) => number = (size) => size): Promise<FileHeader> {
  const { header, fileBytes } = encodeGguf(gguf);
  return readHeader(memorySource(header, cut(fileBytes)), 0, FIRST_SHARD_STEPS);
}

async function errorOf(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof AppError)) throw new Error(`an AppError was wanted, and ${String(error)} came`);
  return error;
}

describe("readHeader", () => {
  test("places a tensor from the start of the file", async () => {
    const { header, headerBytes, fileBytes, split } = await read(file());
    // 24 + (8+20 + 4 + 8+5) + (8+1 + 4 + 16 + 4 + 8) = 24 + 45 + 41 = 110 → 128; the data is 2 blocks of 144 bytes
    expect(headerBytes).toBe(128);
    expect(fileBytes).toBe(128 + 288);
    expect(header.tensors).toEqual([{ name: "t", shape: [256, 2], type: "Q4_K", shard: 0, offset: 128 }]);
    expect(header.architecture).toBe("llama");
    expect(split).toBeNull();
  });

  test("reads every type of value", async () => {
    const kv: [string, KvValue][] = [
      ["u8", { type: "u8", value: 255 }],
      ["i8", { type: "i8", value: -128 }],
      ["u16", { type: "u16", value: 65535 }],
      ["i16", { type: "i16", value: -32768 }],
      ["u32", { type: "u32", value: 4294967295 }],
      ["i32", { type: "i32", value: -2147483648 }],
      ["f32", { type: "f32", value: 0.5 }],
      ["bool", { type: "bool", value: true }],
      ["str", { type: "str", value: "Ġ€" }],
      ["u64", { type: "u64", value: 2n ** 53n - 1n }],
      ["i64", { type: "i64", value: -(2n ** 53n) + 1n }],
      ["f64", { type: "f64", value: 0.1 }],
      ["ints", { arr: "u32", values: [1, 2, 3] }],
      ["flags", { arr: "bool", values: [true, false] }],
      ["words", { arr: "str", values: ["a", ""] }],
      ["none", { arr: "f32", values: [] }],
    ];
    const { header } = await read(file({ kv: [ARCHITECTURE, ...kv] }));
    expect(Object.fromEntries([...header.metadata].slice(1))).toEqual({
      u8: 255,
      i8: -128,
      u16: 65535,
      i16: -32768,
      u32: 4294967295,
      i32: -2147483648,
      f32: 0.5,
      bool: true,
      str: "Ġ€",
      u64: 9007199254740991,
      i64: -9007199254740991,
      f64: 0.1,
      ints: [1, 2, 3],
      flags: [true, false],
      words: ["a", ""],
      none: [],
    });
  });

  test("keeps of a long array only its length, and of a long string nothing", async () => {
    const numbers = Array.from({ length: 1025 }, (_, i) => i);
    const { header } = await read(
      file({
        kv: [
          ["numbers", { arr: "i32", values: numbers }],
          ["words", { arr: "str", values: numbers.map(String) }],
          ["short", { arr: "i32", values: numbers.slice(1) }],
          ["long", { type: "str", value: "x".repeat(2 ** 20 + 1) }],
          ARCHITECTURE,
        ],
      }),
    );
    expect([...header.arrayLengths]).toEqual([
      ["numbers", 1025],
      ["words", 1025],
    ]);
    expect([...header.metadata.keys()]).toEqual(["short", "general.architecture"]);
  });

  test("names a type it does not know by its number, and leaves its size open", async () => {
    const { header } = await read(file({ tensors: [{ name: "t", shape: [256], type: 999 }] }));
    expect(header.tensors[0]?.type).toBe("type 999");
  });

  test("honours general.alignment", async () => {
    const kv: [string, KvValue][] = [ARCHITECTURE, ["general.alignment", { type: "u32", value: 256 }]];
    expect((await read(file({ kv, alignment: 256 }))).headerBytes).toBe(256);
  });

  test("does not fetch what it skips", async () => {
    const { header, fileBytes } = encodeGguf(
      file({ kv: [["big", { arr: "f32", values: new Array<number>(2_000_000).fill(0) }], ARCHITECTURE] }),
    );
    const source = memorySource(header, fileBytes);
    await readHeader(source, 0, { first: 4096, next: 4096 });
    expect(header.length).toBeGreaterThan(8_000_000);
    // 24 + 8+3 + 16 bytes, then 8,000,000 skipped: the next fetch begins right behind them
    expect(source.asked.map(([offset]) => offset)).toEqual([0, 24 + 11 + 16 + 8_000_000]);
  });
});

const LIES: [why: string, code: ErrorCode, gguf: GgufFile, sentence: RegExp][] = [
  ["another magic", "malformed", file({ magic: "PK\x03\x04" }), /begins with "PK/],
  ["a Git LFS pointer", "malformed", file({ magic: "vers" }), /Git LFS pointer/],
  ["GGML's first format", "unsupported", file({ magic: "lmgg" }), /older than GGUF/],
  ["version 1", "unsupported", file({ version: 1 }), /version 1/],
  ["version 4", "unsupported", file({ version: 4 }), /version 4/],
  ["big-endian", "unsupported", file({ bigEndian: true }), /big-endian/],
  ["too many tensors", "malformed", file({ tensorCountSaid: 100_001n }), /claims 100001 tensors/],
  ["2^64 - 1 tensors", "malformed", file({ tensorCountSaid: 2n ** 64n - 1n }), /above 2\^53/],
  ["too many key-values", "malformed", file({ kvCountSaid: 10_001n }), /claims 10001 key-values/],
  ["more key-values than there are", "malformed", file({ kvCountSaid: 3n }), /./],
  [
    "an array longer than the file",
    "malformed",
    file({ kv: [["a", { arr: "u8", values: [], lengthSaid: 10n ** 9n }]] }),
    /array "a" of 1000000000/,
  ],
  [
    "strings longer than the file",
    "malformed",
    file({ kv: [["a", { arr: "str", values: [], lengthSaid: 10n ** 9n }]] }),
    /array "a" of 1000000000/,
  ],
  ["a key twice", "malformed", file({ kv: [ARCHITECTURE, ARCHITECTURE] }), /"general.architecture" twice/],
  ["an empty key", "malformed", file({ kv: [["", { type: "u8", value: 1 }]] }), /empty key/],
  ["a value above 2^53", "malformed", file({ kv: [["a", { type: "u64", value: 2n ** 53n }]] }), /above 2\^53/],
  ["no architecture", "malformed", file({ kv: [] }), /general\.architecture/],
  [
    "an odd alignment",
    "malformed",
    file({ kv: [ARCHITECTURE, ["general.alignment", { type: "u32", value: 24 }]] }),
    /no power of two/,
  ],
  [
    "no alignment",
    "malformed",
    file({ kv: [ARCHITECTURE, ["general.alignment", { type: "u32", value: 0 }]] }),
    /no power of two/,
  ],
  [
    "five dimensions",
    "malformed",
    file({ tensors: [{ name: "t", shape: [1, 1, 1, 1, 1], type: "F32" }] }),
    /5 dimensions/,
  ],
  [
    "2^60 elements",
    "malformed",
    file({ tensors: [{ name: "t", shape: [2n ** 30n, 2n ** 30n], type: 99 }] }),
    /2\^53 elements/,
  ],
  [
    "half a block",
    "malformed",
    file({ tensors: [{ name: "t", shape: [48], type: 8 }] }),
    /Q8_0 wants a multiple of 32/,
  ],
  [
    "a tensor twice",
    "malformed",
    file({ tensors: [0, 1].map(() => ({ name: "t", shape: [8], type: "F32" })) }),
    /"t" twice/,
  ],
  [
    "a tensor not aligned",
    "malformed",
    file({ tensors: [{ name: "t", shape: [8], type: "F32", offset: 4n }] }),
    /no multiple of 32/,
  ],
  [
    "a name of 128 bytes",
    "malformed",
    file({ tensors: [{ name: "t".repeat(128), shape: [8], type: "F32" }] }),
    /name of 128 bytes/,
  ],
  [
    "tensors on top of each other",
    "malformed",
    file({ tensors: [0n, 0n].map((offset, i) => ({ name: `t${i}`, shape: [256], type: "F32", offset })) }),
    /overlap/,
  ],
  [
    "a part beyond the count",
    "malformed",
    file({ kv: [ARCHITECTURE, ["split.count", { type: "u16", value: 2 }], ["split.no", { type: "u16", value: 2 }]] }),
    /part 2 \(from 0\) of 2/,
  ],
];

describe("readHeader refuses", () => {
  test.each(LIES)("%s", async (_why, code, gguf, sentence) => {
    const error = await errorOf(read(gguf));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(sentence);
  });

  test("a file cut short by one byte of its last tensor", async () => {
    expect((await errorOf(read(file(), (size) => size - 1))).message).toMatch(
      /"t" ends at byte 416, and the file at byte 415/,
    );
  });

  test.each([0, 3, 23])("a file of %d bytes", async (size) => {
    const error = await errorOf(readHeader(memorySource(new Uint8Array(size)), 0, FIRST_SHARD_STEPS));
    expect(error.code).toBe("malformed");
  });

  test("24 bytes that promise 10,000 key-values", async () => {
    const { header } = encodeGguf({ kv: [], tensors: [], kvCountSaid: 10_000n });
    const error = await errorOf(readHeader(memorySource(header.subarray(0, 24)), 0, FIRST_SHARD_STEPS));
    expect(error.message).toMatch(/past the file's end at byte 24/);
  });

  test("a word of the vocabulary that is longer than the file", async () => {
    const words = Array.from({ length: 2000 }, (_, i) => `w${i}`);
    const { header, fileBytes } = encodeGguf(file({ kv: [["words", { arr: "str", values: words }], ARCHITECTURE] }));
    // 24 bytes of header, 8 + 5 of key, 4 + 4 + 8 of array; then "w0" with its length in the first 8
    new DataView(header.buffer, header.byteOffset).setBigUint64(53, 2n ** 60n, true);
    const error = await errorOf(readHeader(memorySource(header, fileBytes), 0, FIRST_SHARD_STEPS));
    expect(error.message).toMatch(/longer than the rest of the file/);
  });

  test("a walk past the longest header, in a sparse file of 400 GB", async () => {
    const { header } = encodeGguf(
      file({ kv: [["a", { arr: "str", values: [], lengthSaid: 10n ** 10n }]], tensors: [] }),
    );
    const error = await errorOf(readHeader(memorySource(header, 4e11), 0, FIRST_SHARD_STEPS));
    expect(error.message).toMatch(/longer than 67108864 bytes/);
  }, 30_000);
});

/** The dump with a vocabulary of at most 2000 words: still walked, and the test stays short. */
function shortDump(name: string): GgufDump {
  const dump = readDump(name);
  const entries = Object.entries(dump.kv).map(([key, entry]) =>
    "arr" in entry ? ([key, { ...entry, length: Math.min(entry.length, 2000) }] as const) : ([key, entry] as const),
  );
  return { ...dump, kv: Object.fromEntries(entries) };
}

describe("published files", () => {
  test.each(dumpNames())("%s comes back as its dump has it", async (name) => {
    const dump = shortDump(name);
    const { header } = await read(fileFromDump(dump));
    const want = headerFromDump(dump);
    expect(header.architecture).toBe(want.architecture);
    expect(header.tensors.map(({ name, shape, type }) => [name, shape, type] as const)).toEqual([
      ...(dump.tensors ?? []),
    ]);
    for (const [key, value] of want.metadata) {
      if (key.startsWith("split.")) continue;
      const got = header.metadata.get(key);
      // The file keeps 24 bits of a float that the dump prints in decimal.
      if (typeof value === "number" && !Number.isInteger(value)) expect(got).toBe(Math.fround(value));
      else expect(got).toEqual(value);
    }
    for (const [key, length] of want.arrayLengths) {
      const kept = header.metadata.get(key);
      expect(Array.isArray(kept) ? kept.length : header.arrayLengths.get(key)).toBe(length);
    }
  });
});
