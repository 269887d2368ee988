/** `--ask-engine` from the command line to llama.cpp and back. */
import { expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileFromDump, readDump } from "../fixtures/gguf-dumps.ts";
import { writeGguf } from "../fixtures/gguf-writer.ts";
import { requires, testIf } from "../requires.ts";
import { runCli, writeModel } from "./run-cli.ts";

interface Answer {
  readonly status: string;
  readonly memory: {
    readonly weights_bytes: number;
    readonly kv_cache_bytes: number;
    readonly asked: Record<string, unknown> | null;
  };
  readonly warnings: readonly string[];
}

testIf(
  requires.engine(),
  "llama.cpp says the same weights and KV cache, on the command line and in a line of --requests",
  () => {
    const path = join(mkdtempSync(join(tmpdir(), "hwledger-ask-")), "model.gguf");
    writeGguf(path, fileFromDump(readDump("llama-3.2-1b-q8_0")));
    const run = runCli(["plan", path, "--device", "cpu:64GiB", "--context", "4096", "--ask-engine", "--json"]);
    expect([run.status, run.err]).toEqual([0, ""]);
    const { memory } = JSON.parse(run.out) as Answer;
    expect(memory.asked).toMatchObject({
      engine: "llama.cpp",
      weights_bytes: memory.weights_bytes,
      kv_cache_bytes: memory.kv_cache_bytes,
    });
    // 16 layers x 8 heads x (64 + 64) elements x 2 bytes x 4096 cells
    expect(memory.kv_cache_bytes).toBe(134_217_728);

    const line = JSON.stringify({ model: path, device: "cpu:64GiB", context: 4096, ask_engine: true });
    const answer = JSON.parse(runCli(["plan", "--requests", "-", "--summary"], { stdin: line }).out) as Answer;
    expect(answer.memory.asked).toEqual(memory.asked);
  },
  60_000,
);

test("an engine that cannot be asked is said in the answer, which stands", () => {
  const run = runCli(["plan", writeModel(), "--device", "cpu:64GiB", "--ask-engine", "--json"]);
  expect(run.status).toBe(0);
  const { memory, warnings } = JSON.parse(run.out) as Answer;
  expect(memory.asked).toBeNull();
  expect(warnings.some((warning) => warning.startsWith("llama.cpp was not asked: "))).toBe(true);
});
