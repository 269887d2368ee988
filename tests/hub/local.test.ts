import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { localModels } from "../../src/hub/local.ts";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "hwledger-local-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, bytes: number): string {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, new Uint8Array(bytes));
  return full;
}

test("finds what other tools keep: links followed, parts merged, unfinished downloads left out", () => {
  const sha = "a".repeat(40);
  const repo = "hub/models--acme--model";
  const blob = put(`${repo}/blobs/b1`, 70);
  put(`${repo}/snapshots/${sha}/config.json`, 2);
  symlinkSync(blob, join(root, repo, "snapshots", sha, "model.safetensors"));
  put(`${repo}/refs/none`, 0);
  put("hub/models--gpt2/snapshots/not-a-commit/model.safetensors", 5);
  put("hub/datasets--acme--data/snapshots/x/y.gguf", 5);
  put("mine/a/x-Q4_0-00001-of-00002.gguf", 10);
  put("mine/a/x-Q4_0-00002-of-00002.gguf", 20);
  put("mine/b/y-Q8_0-00001-of-00003.gguf", 30);
  put("mine/b/mmproj-y-F16.gguf", 1);
  put("mine/b/z-F16.gguf.incomplete", 1);
  put("mine/c/config.json", 2);
  put("mine/c/model-00001-of-00002.safetensors", 40);

  const found = localModels({
    sharedCacheDir: join(root, "hub"),
    folders: [join(root, "mine"), join(root, "not-there")],
  });
  expect(
    found.map(({ ref, name, bytes, hubId, incomplete }) => [ref.replace(root, ""), name, bytes, hubId, incomplete]),
  ).toEqual([
    ["acme/model", "safetensors", 70, "acme/model", false],
    ["/mine/a/x-Q4_0-00001-of-00002.gguf", "Q4_0", 30, null, false],
    ["/mine/b/y-Q8_0-00001-of-00003.gguf", "Q8_0", 30, null, true],
    ["/mine/c/", "safetensors", 40, null, true],
  ]);
  expect(localModels({ sharedCacheDir: null, folders: [] })).toEqual([]);
});
