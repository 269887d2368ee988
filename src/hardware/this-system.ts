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

/** What the program started is ended with it: a grandchild that holds the output open would be waited for without end. */
export async function runProgram(
  command: string,
  args: readonly string[],
  timeoutMs: number = TIMEOUT_MS,
): Promise<string | null> {
  const program = Bun.which(command);
  if (program === null) return null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const child = Bun.spawn([program, ...args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      killSignal: "SIGKILL",
      maxBuffer: MOST_OUTPUT,
      windowsHide: true,
      // A group of its own, for kill(-pid).
      detached: process.platform !== "win32",
    });
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => {
        killGroup(child);
        resolve(null);
      }, timeoutMs);
    });
    const answer = new Response(child.stdout)
      .text()
      .then(async (output) => ((await child.exited) === 0 ? output : null));
    return await Promise.race([answer, late]);
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}

function killGroup(child: { readonly pid: number; readonly kill: (signal: "SIGKILL") => void }): void {
  try {
    if (process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nobody of that group is left.
  }
}
