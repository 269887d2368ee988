import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNative, unpackOnce } from "../../../src/engines/llama-cpp/native.ts";
import { requires, testIf } from "../../requires.ts";

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "hwledger-native-"));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function archiveOf(files: Record<string, string>): Promise<Blob> {
  return new Blob([new Uint8Array(Bun.zstdCompressSync(await new Bun.Archive(files).bytes()))]);
}

describe("unpackOnce", () => {
  test("unpacks under the archive's hash, for its owner alone, and only once", () =>
    inFolder(async (data) => {
      const archive = await archiveOf({ "bins/linux-x64/llama-addon.node": "native", "package.json": "{}" });
      const first = await unpackOnce(archive, data);
      expect(readFileSync(join(first, "bins/linux-x64/llama-addon.node"), "utf8")).toBe("native");
      if (process.platform !== "win32") expect(statSync(first).mode & 0o777).toBe(0o700);
      const made = statSync(first).ctimeMs;
      expect(await unpackOnce(archive, data)).toBe(first);
      expect(statSync(first).ctimeMs).toBe(made);
      const other = await unpackOnce(await archiveOf({ "package.json": "{ }" }), data);
      expect(other).not.toBe(first);
    }));

  test("two at once agree and leave nothing unfinished", () =>
    inFolder(async (data) => {
      const archive = await archiveOf({ "a.txt": "a" });
      const [one, two] = await Promise.all([unpackOnce(archive, data), unpackOnce(archive, data)]);
      expect(one).toBe(two);
      expect(readdirSync(join(data, "engines"))).toHaveLength(1);
    }));

  test("leaves nothing behind of a broken archive", () =>
    inFolder(async (data) => {
      await expect(unpackOnce(new Blob(["not zstd"]), data)).rejects.toThrow();
      expect(readdirSync(join(data, "engines"))).toEqual([]);
    }));
});

testIf(requires.engine(), "findNative finds the package of a checkout and its release", async () => {
  const found = await findNative({ dataFolder: "/nowhere" });
  expect(found).toMatchObject({ status: "ok", version: "v0.5.0" });
  expect(found.status === "ok" && existsSync(join(found.folder, "llama-addon.node"))).toBe(true);
});
