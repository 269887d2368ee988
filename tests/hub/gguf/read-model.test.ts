import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../../../src/errors.ts";
import { withFile } from "../../../src/hub/byte-source.ts";
import { readGgufModel } from "../../../src/hub/gguf/read-model.ts";
import { fileFromDump, readDump } from "../../fixtures/gguf-dumps.ts";
import { type GgufFile, shardName, splitGguf, writeGguf } from "../../fixtures/gguf-writer.ts";

const SMALL: GgufFile = {
  kv: [["general.architecture", { type: "str", value: "llama" }]],
  tensors: ["a", "b", "c", "d", "e"].map((name) => ({ name, shape: [64, 2], type: "F16" })),
};

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hwledger-gguf-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function writeParts(stem: string, file: GgufFile, count: number): string[] {
  return splitGguf(file, count).map((part, no) => {
    const path = join(folder, shardName(stem, no, count));
    writeGguf(path, part);
    return path;
  });
}

async function codeAndMessage(path: string): Promise<[string, string]> {
  try {
    await readGgufModel(path, withFile);
  } catch (error) {
    if (error instanceof AppError) return [error.code, error.message.replaceAll(folder, "")];
    throw error;
  }
  throw new Error("it was read");
}

describe("readGgufModel", () => {
  test("reads DeepSeek R1 Q4_K_M in nine parts, from any of them, as one", async () => {
    const whole = fileFromDump(readDump("deepseek2-r1-q4_k_m-1-of-9"));
    const paths = writeParts("r1", whole, 9);
    const model = await readGgufModel(paths[4] ?? "", withFile);
    expect(model.shards).toEqual(paths);
    expect(model.header.tensors.map(({ name }) => name)).toEqual(whole.tensors.map(({ name }) => name));
    // 1025 tensors in nine files of 114 (the last 113); each counts its offset from its own file.
    expect(model.header.tensors[114]?.shard).toBe(1);
    expect(model.header.tensors[1024]?.shard).toBe(8);
    expect(model.header.architecture).toBe("deepseek2");
    expect(model.fileBytes).toBeGreaterThan(404e9);
    expect(model.headerBytes).toBeLessThan(10e6);
  });

  test("a part that is not there", async () => {
    const [, second = ""] = writeParts("gone", SMALL, 3);
    rmSync(second);
    expect(await codeAndMessage(join(folder, shardName("gone", 2, 3)))).toEqual([
      "not_found",
      'Cannot read "/gone-00002-of-00003.gguf": part 2 of 3 is missing',
    ]);
  });

  test("the first part under another part's name", async () => {
    const [first = "", second = ""] = writeParts("twice", SMALL, 2);
    copyFileSync(first, second);
    expect(await codeAndMessage(first)).toEqual([
      "malformed",
      'Cannot read "/twice-00002-of-00002.gguf" as part of a split model: its name says part 2 of 2, and its header part 1 of 2',
    ]);
  });

  test("a part of another model: its tensors are there already", async () => {
    const [first = ""] = writeParts("mixed", SMALL, 2);
    const part = splitGguf(SMALL, 2)[1];
    writeGguf(join(folder, shardName("mixed", 1, 2)), {
      kv: part?.kv ?? [],
      tensors: SMALL.tensors.slice(0, 2),
    });
    expect((await codeAndMessage(first))[1]).toMatch(/the tensor "a" is in two parts/);
  });

  test("fewer tensors than the header says", async () => {
    const [first = ""] = writeParts("few", SMALL, 2);
    const part = splitGguf(SMALL, 2)[1];
    writeGguf(join(folder, shardName("few", 1, 2)), { kv: part?.kv ?? [], tensors: [] });
    expect((await codeAndMessage(first))[1]).toMatch(/its parts have 3 tensors, and its header says 5/);
  });

  test("a split model's first part under a name of its own", async () => {
    const part = splitGguf(SMALL, 2)[0];
    const path = join(folder, "renamed.gguf");
    writeGguf(path, part ?? SMALL);
    expect((await codeAndMessage(path))[1]).toMatch(/does not end in -00001-of-00002\.gguf/);
  });

  test("a whole model under an ending in capitals", async () => {
    const path = join(folder, "loud-00001-of-00001.GGUF");
    writeGguf(path, SMALL);
    expect((await readGgufModel(path, withFile)).shards).toEqual([path]);
  });

  test("more parts than any model has: told from the first one", async () => {
    const asked: string[] = [];
    const part = splitGguf(SMALL, 2)[0];
    const path = join(folder, shardName("many", 0, 1001));
    const kv = (part?.kv ?? []).map((pair): GgufFile["kv"][number] =>
      pair[0] === "split.count" ? ["split.count", { type: "u16", value: 1001 }] : pair,
    );
    writeGguf(path, { kv, tensors: part?.tensors ?? [] });
    const error = await readGgufModel(path, (at, use) => {
      asked.push(at);
      return withFile(at, use);
    }).catch((cause: unknown) => String(cause));
    expect(error).toMatch(/1001 parts, and 1000 are the most/);
    expect(asked).toEqual([path]);
  });

  test("a later part cut short", async () => {
    const [first = "", second = ""] = writeParts("cut", SMALL, 2);
    truncateSync(second, 400);
    const [code, message] = await codeAndMessage(first);
    expect(code).toBe("malformed");
    expect(message).toMatch(/cut-00002-of-00002\.gguf" as GGUF: the tensor "[de]" ends at byte/);
  });

  test("a folder, and nothing at all", async () => {
    expect((await codeAndMessage(join(folder, "none.gguf")))[0]).toBe("not_found");
    expect((await codeAndMessage(folder))[0]).toMatch(/not_found|io/);
  });
});
