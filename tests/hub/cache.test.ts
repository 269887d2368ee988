import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHubCache } from "../../src/hub/cache.ts";

const SHA = "b".repeat(40);
let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "hwledger-cache-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("createHubCache", () => {
  test("gives back what it was given, across processes", () => {
    createHubCache(root).write("o/n", SHA, "files/config.json", "{}");
    createHubCache(root).rememberRef("o/n", "main", { sha: SHA, fetchedAt: "2026-01-01T00:00:00.000Z" });
    const cache = createHubCache(root);
    cache.rememberRef("o/n", "v1", { sha: SHA, fetchedAt: "2026-01-02T00:00:00.000Z" });
    expect(cache.read("o/n", SHA, "files/config.json")).toBe("{}");
    expect(cache.read("o/n", SHA, "files/other.json")).toBeNull();
    expect(cache.knownRef("o/n", "main")).toEqual({ sha: SHA, fetchedAt: "2026-01-01T00:00:00.000Z" });
    expect(cache.knownRef("o/n", "v1")?.fetchedAt).toBe("2026-01-02T00:00:00.000Z");
    expect(cache.knownRef("o/n", "toString")).toBeNull();
    expect(cache.warnings()).toEqual([]);
  });

  test.each(["../../x", "a/../../x", "a\\..\\x", "C:x", "a//b", ".", "nul\0", "*"])(
    "keeps nothing under %p",
    (name) => {
      const folder = join(root, "safe");
      const cache = createHubCache(folder);
      cache.write("o/n", SHA, name, "x");
      expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([]);
      expect(cache.read("o/n", SHA, name)).toBeNull();
    },
  );

  test("a name too long for a file is not kept, and the next one is", () => {
    const cache = createHubCache(root);
    const long = `files/${"名".repeat(100)}`; // 300 bytes of the 255 that a name may have
    cache.write("o/long", SHA, long, "x");
    expect(cache.read("o/long", SHA, long)).toBeNull();
    cache.write("o/long", SHA, "files/b", "y");
    expect(cache.read("o/long", SHA, "files/b")).toBe("y");
    expect(cache.warnings()).toEqual([]);
  });

  test("a damaged note is no note", () => {
    const cache = createHubCache(root);
    cache.rememberRef("o/damaged", "main", { sha: SHA, fetchedAt: "2026-01-01T00:00:00.000Z" });
    writeFileSync(
      join(root, "hub", "o", "damaged", "refs.json"),
      '{"schema":"hwledger.refs/1","refs":{"main":{"sha":"x"}}}',
    );
    expect(cache.knownRef("o/damaged", "main")).toBeNull();
  });

  test("without a folder it keeps nothing and complains of nothing", () => {
    const cache = createHubCache(null);
    cache.write("o/n", SHA, "x", "y");
    expect(cache.read("o/n", SHA, "x")).toBeNull();
    expect(cache.warnings()).toEqual([]);
  });
});
