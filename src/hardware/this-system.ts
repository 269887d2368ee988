/** The machine the program runs on, as probes may touch it. */
import { readdir, readFile, realpath } from "node:fs/promises";
import type { System } from "./detected.ts";

/** A driver that hangs must not hold up a plan. */
const TIMEOUT_MS = 3000;
const MOST_OUTPUT = 4 * 2 ** 20;

export const THIS_SYSTEM: System = {
  run: runProgram,
  read: (path) => readFile(path, "utf8").catch(() => null),
  list: (path) => readdir(path).catch(() => []),
  resolve: (path) => realpath(path).catch(() => null),
};

async function runProgram(command: string, args: readonly string[]): Promise<string | null> {
  const program = Bun.which(command);
  if (program === null) return null;
  try {
    const child = Bun.spawn([program, ...args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
      maxBuffer: MOST_OUTPUT,
      windowsHide: true,
    });
    const output = await new Response(child.stdout).text();
    return (await child.exited) === 0 ? output : null;
  } catch {
    return null;
  }
}
