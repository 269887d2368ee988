import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OpenedModel } from "../../src/hub/open.ts";
import { rememberOpened } from "../../src/hub/remember.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hwledger-remember-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function opened(id: string, source: OpenedModel["source"] = "hub", paths: readonly string[] = []): OpenedModel {
  const chosen = {
    name: "x",
    format: "gguf",
    role: "model",
    paths,
    bytes: 1,
    bitsPerWeight: null,
    missingParts: 0,
  } as const;
  const spec = { status: "unknown", architecture: null, reason: "", missing: [] } as const;
  const rest = { revision: null, files: [], downloadBytes: 0, gguf: null, config: null, safetensors: null };
  return { id, source, spec, chosen, ...rest, warnings: [], fetchedAt: null };
}

function counted(make: (name: string) => OpenedModel) {
  const asked: string[] = [];
  let now = 0;
  const open = rememberOpened(
    (name) => {
      asked.push(name);
      return name === "bad" ? Promise.reject(new Error("no")) : Promise.resolve(make(name));
    },
    { keepMs: 1000, most: 2, clock: () => now },
  );
  return { open, asked, later: (ms: number) => (now += ms) };
}

test("opens once, for everyone who asks meanwhile and until the time is over", async () => {
  const { open, asked, later } = counted((name) => opened(name));
  const [a, b] = await Promise.all([open("m"), open("m")]);
  expect(a).toBe(b);
  later(999);
  expect(await open("m")).toBe(a);
  expect(asked).toEqual(["m"]);
  later(1);
  await open("m");
  expect(asked).toEqual(["m", "m"]);
});

test("forgets the one that was not used for the longest", async () => {
  const { open, asked } = counted((name) => opened(name));
  for (const name of ["a", "b", "a", "c", "a", "b"]) await open(name);
  expect(asked).toEqual(["a", "b", "c", "b"]);
});

test("does not keep a failure", async () => {
  const { open, asked } = counted((name) => opened(name));
  expect(await open("bad").catch((error: Error) => error.message)).toBe("no");
  expect(await open("bad").catch((error: Error) => error.message)).toBe("no");
  expect(asked).toEqual(["bad", "bad"]);
});

test("reads a file again when it has changed", async () => {
  const path = join(folder, "m.gguf");
  writeFileSync(path, "1");
  const { open, asked } = counted((name) => opened(name, "file", [path]));
  await open("m");
  await open("m");
  utimesSync(path, new Date(0), new Date(5000));
  await open("m");
  expect(asked).toEqual(["m", "m"]);
});
