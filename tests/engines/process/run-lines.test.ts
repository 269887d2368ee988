import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { type RunLinesOptions, runLines } from "../../../src/engines/process/run-lines.ts";

/** A child that is this Bun running a line of script. */
function run(script: string, options: Partial<RunLinesOptions> = {}) {
  const lines: string[] = [];
  const result = runLines({
    command: [process.execPath, "-e", script],
    env: process.env,
    input: "question\n",
    timeoutMs: 20_000,
    signal: null,
    onLine: (line) => lines.push(line),
    ...options,
  });
  return { lines, result };
}

/** Gone, or a zombie that nobody has waited for yet. */
function isDead(pid: number): boolean {
  if (process.platform !== "linux") {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || / Z /.test(readFileSync(stat, "utf8"));
}

const HANG = "setInterval(() => {}, 1000);";

describe("runLines", () => {
  test("gives the child its input and hands out whole lines, the last without its newline too", async () => {
    const { lines, result } = run(
      `const r = Bun.stdin.stream().getReader(); const { value } = await r.read();
       process.stdout.write("a\\nb" + new TextDecoder().decode(value) + "end"); console.error("word"); process.exit(3)`,
    );
    expect(await result).toEqual({ exitCode: 3, signal: null, killed: null, tail: "word\n" });
    expect(lines).toEqual(["a", "bquestion", "end"]);
  });

  test("reports the signal that ended it, and what it said before", async () => {
    const { lines, result } = run(
      `require("fs").writeSync(1, "one\\n"); process.kill(process.pid, "SIGABRT"); ${HANG}`,
    );
    expect(await result).toMatchObject({ exitCode: null, signal: "SIGABRT", killed: null });
    expect(lines).toEqual(["one"]);
  });

  test("kills it at the time-out", async () => {
    const { result } = run(HANG, { timeoutMs: 200 });
    expect(await result).toMatchObject({ signal: "SIGKILL", killed: "timeout" });
  });

  test("kills it when cancelled, before and after the start", async () => {
    expect(await run(HANG, { signal: AbortSignal.abort() }).result).toMatchObject({ killed: "abort" });
    const cancel = new AbortController();
    const running = run(`console.log("up"); ${HANG}`, { signal: cancel.signal, onLine: () => cancel.abort() });
    expect(await running.result).toMatchObject({ signal: "SIGKILL", killed: "abort" });
  });

  test("kills what it started too", async () => {
    const cancel = new AbortController();
    let grandchild = 0;
    const running = run(
      `const c = Bun.spawn([process.execPath, "-e", ${JSON.stringify(HANG)}], { stdio: ["ignore", "ignore", "ignore"] });
       console.log(c.pid); ${HANG}`,
      {
        signal: cancel.signal,
        onLine: (line) => {
          grandchild = Number(line);
          cancel.abort();
        },
      },
    );
    await running.result;
    expect(grandchild).toBeGreaterThan(0);
    expect(isDead(grandchild)).toBe(true);
  });

  test("keeps only the end of a long complaint", async () => {
    const { result } = run(`process.stderr.write("x".repeat(100_000) + "the end")`);
    const { tail } = await result;
    expect(tail.length).toBe(4000);
    expect(tail.endsWith("the end")).toBe(true);
  });

  test("rejects for a program that is not there", async () => {
    await expect(run("", { command: ["/no/such/program"] }).result).rejects.toThrow();
  });
});
