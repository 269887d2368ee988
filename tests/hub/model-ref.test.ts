import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { AppError, type ErrorCode } from "../../src/errors.ts";
import { type LookAt, type ModelRef, parseModelRef } from "../../src/hub/model-ref.ts";
import { errorIn } from "./app-error.ts";

const DISK: Readonly<Record<string, "file" | "folder">> = {
  "/m": "folder",
  "/m/a.gguf": "file",
  "/m/blob": "file",
  "/m/hf": "folder",
  "/m/hf/config.json": "file",
  "/m/hf/model.safetensors": "file",
  "/m/empty": "folder",
  "Qwen/Qwen3-8B": "folder",
  here: "folder",
  "here/config.json": "file",
};
const look: LookAt = (path) => DISK[path] ?? null;
const hub = (id: string, revision: string | null = null, pick: string | null = null): ModelRef => ({
  kind: "hub",
  id,
  revision,
  pick,
});

const GOOD: [text: string, want: ModelRef][] = [
  ["Qwen/Qwen3-8B", hub("Qwen/Qwen3-8B")], // a folder of that name without config.json does not hide it
  [" gpt2 ", hub("gpt2")],
  ["org/name@main", hub("org/name", "main")],
  ["org/name@refs/pr/1", hub("org/name", "refs/pr/1")],
  ["org/name:Q4_K_M", hub("org/name", null, "Q4_K_M")],
  ["org/name@0123abc:Q4_K_M", hub("org/name", "0123abc", "Q4_K_M")],
  ["org/name:sub/x-00001-of-00002.gguf", hub("org/name", null, "sub/x-00001-of-00002.gguf")],
  ["https://huggingface.co/org/name", hub("org/name")],
  ["https://huggingface.co/org/name/tree/main", hub("org/name")],
  ["https://huggingface.co/org/name/tree/v1.0", hub("org/name", "v1.0")],
  ["https://huggingface.co/org/name/blob/main/sub/x%20y.gguf?download=true", hub("org/name", null, "sub/x y.gguf")],
  ["hf.co/org/name:Q8_0", hub("org/name", null, "Q8_0")],
  ["/m/a.gguf", { kind: "file", path: "/m/a.gguf" }],
  ["/m/blob", { kind: "file", path: "/m/blob" }],
  ["/m/hf", { kind: "folder", path: "/m/hf" }],
  ["here", { kind: "folder", path: "here" }],
];

const BAD: [text: string, code: ErrorCode, message: RegExp, hint: RegExp][] = [
  ["", "usage", /none was named/, /give org\/name/],
  ["/m/none.gguf", "not_found", /no such file or folder/, /the folder "\/m" is there, and has no "none.gguf"/],
  ["/nowhere/none.gguf", "not_found", /no such file or folder/, /no folder "\/nowhere" either/],
  ["./org/name", "not_found", /no such file or folder/, /folder/],
  ["none.gguf", "not_found", /no such file or folder/, /no folder/],
  ["C:\\models\\x.gguf", "not_found", /no such file or folder/, /folder/],
  ["/m/empty", "not_found", /has no config\.json/, /a \.gguf file/],
  ["/m/hf/model.safetensors", "usage", /whole folder/, /give the folder "\/m\/hf"/],
  ["/m/hf/config.json", "usage", /whole folder/, /give the folder "\/m\/hf"/],
  ["//host/share/x.gguf", "usage", /paths on other hosts are not read/, /drive letter/],
  ["\\\\host\\share\\x.gguf", "usage", /paths on other hosts are not read/, /drive letter/],
  ["ollama:llama3.2:3b", "unsupported", /Ollama by name are not supported yet/, /--modelfile/],
  ["lmstudio:qwen", "unsupported", /LM Studio by name are not supported yet/, /\.gguf/],
  ["a/b/c", "usage", /neither a path that exists nor a name/, /give org\/name/],
  ["org/na me", "usage", /neither/, /give/],
  ["org/..", "usage", /neither/, /give/],
  ["org/name:", "usage", /nothing usable follows the colon/, /Q4_K_M/],
  ["org/name:../../x.gguf", "usage", /nothing usable follows the colon/, /Q4_K_M/],
  ["org/name@", "usage", /"" is no revision/, /branch/],
  ["org/name@a..b", "usage", /no revision/, /branch/],
  ["https://huggingface.co/org", "usage", /names no repository/, /give/],
  ["https://huggingface.co/org/%ff", "usage", /no URL/, /give/],
  ["https://github.com/org/name", "usage", /"github\.com" is not the hub/, /give org\/name/],
  ["x".repeat(5000), "usage", /5000 characters/, /give/],
];

describe("parseModelRef", () => {
  test.each(GOOD)("%s", (text, want) => {
    expect(parseModelRef(text, look)).toEqual(want);
  });

  test("~ is the home folder", () => {
    const path = `${homedir()}/m/a.gguf`;
    expect(parseModelRef("~/m/a.gguf", (at) => (at === path ? "file" : null))).toEqual({ kind: "file", path });
  });

  test.each(BAD)("refuses %p", (text, code, message, hint) => {
    const error = errorIn(() => parseModelRef(text, look));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });

  test("a path that no system can look at is not there", () => {
    const folder = mkdtempSync(join(tmpdir(), "hwledger-ref-"));
    try {
      symlinkSync("round", join(folder, "round"));
      writeFileSync(join(folder, "file"), "");
      for (const path of [join(folder, "round"), join(folder, "file", "x"), `./${"n".repeat(300)}`]) {
        expect(errorIn(() => parseModelRef(path)).code).toBe("not_found");
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("a folder of GGUF files: the hint names them", () => {
    const folder = mkdtempSync(join(tmpdir(), "hwledger-ref-"));
    try {
      for (const name of ["b.gguf", "a.gguf", "notes.txt"]) writeFileSync(join(folder, name), "");
      expect(errorIn(() => parseModelRef(folder)).hint).toBe("give one .gguf file in it: a.gguf, b.gguf");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("any text is a reference or an AppError, and a hub id never leads out of a folder", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\w./:@~-]{0,40}$/)), (text) => {
        try {
          const ref = parseModelRef(text, () => null);
          expect(ref.kind === "hub" && ref.id.split("/").every((part) => part !== "" && !part.includes(".."))).toBe(
            true,
          );
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
