/** How tests ask llama.cpp: the accounting child alone, this process's environment, nothing unpacked. */
import { join } from "node:path";
import type { AskOptions } from "../../src/engines/llama-cpp/ask.ts";

export const ACCOUNTING: AskOptions = {
  dataFolder: "/nowhere",
  spawn: { command: [process.execPath, join(import.meta.dir, "accounting-child.ts")], env: process.env },
  signal: null,
  timeoutMs: null,
};

/** A child that runs a line of script in the accounting child's place. */
export function fakeAccounting(script: string): AskOptions {
  return { ...ACCOUNTING, spawn: { command: [process.execPath, "-e", script], env: process.env } };
}
