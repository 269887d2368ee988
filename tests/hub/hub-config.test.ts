import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readToken } from "../../src/hub/hub-config.ts";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "hwledger-token-"));
  writeFileSync(join(root, "token"), "hf_file\n");
  writeFileSync(join(root, "odd"), "two words\r\nX-Header: injected");
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test.each([
  ["hf_env", "token", "hf_env"],
  [null, "token", "hf_file"],
  [null, "none", null],
  [null, "odd", null],
])("HF_TOKEN %p, file %s → %p", (token, file, want) => {
  const config = {
    endpoint: "https://hub.example",
    token,
    tokenFile: join(root, file),
    sharedCacheDir: "",
    offline: false,
  };
  expect(readToken(config)).toBe(want);
});
