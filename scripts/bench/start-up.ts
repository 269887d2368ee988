/**
 * Time from starting the process to its end (`plan` of SmolLM2-135M from disk for a device of the table and for this
 * machine, `--version`), and for `serve` to the first page answered with status 200, asked as soon as the address is
 * printed. 21 runs each, files in the system's cache. Goals: plan 150 ms, serve 300 ms.
 */

import type { Row } from "../bench.ts";
import { milliseconds, model, programs, quantile, withHome } from "../bench-lib/program.ts";
import { addressOf } from "../check/smoke.ts";

export const name = "start-up";

const RUNS = 21;

async function timeOf(command: readonly string[], env: Record<string, string | undefined>): Promise<number> {
  const from = performance.now();
  const child = Bun.spawn([...command], { env, stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  const status = await child.exited;
  const took = performance.now() - from;
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}`);
  return took;
}

async function firstPage(command: readonly string[], env: Record<string, string | undefined>): Promise<number> {
  const from = performance.now();
  const child = Bun.spawn([...command], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  try {
    const response = await fetch(`${await addressOf(child)}/`);
    await response.arrayBuffer();
    if (response.status !== 200) throw new Error(`the page answered ${response.status}`);
    return performance.now() - from;
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}

export async function run(): Promise<readonly Row[]> {
  const file = model();
  return await withHome(async (env) => {
    const rows: Row[] = [];
    for (const { label, command } of await programs()) {
      const cases = [
        { what: "--version", measure: () => timeOf([...command, "--version"], env) },
        {
          what: "plan, device of the table",
          measure: () => timeOf([...command, "plan", file, "--device", "rtx-4090"], env),
        },
        { what: "plan, this machine", measure: () => timeOf([...command, "plan", file], env) },
        { what: "serve, first page", measure: () => firstPage([...command, "serve", "--port", "0", "--no-open"], env) },
      ];
      for (const { what, measure } of cases) {
        await measure(); // the first one reads the program from disk
        const times: number[] = [];
        for (let i = 0; i < RUNS; i++) times.push(await measure());
        rows.push({
          program: label,
          what,
          medianMs: milliseconds(quantile(times, 0.5)),
          p95Ms: milliseconds(quantile(times, 0.95)),
        });
      }
    }
    return rows;
  });
}
