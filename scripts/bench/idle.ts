/**
 * Resident memory and processor time of `serve` when nobody asks: ten seconds after its start, and ten seconds after fifty
 * page loads, over those ten seconds. From /proc, so on Linux alone.
 */
import { readFileSync } from "node:fs";
import type { Row } from "../bench.ts";
import { programs, withHome } from "../bench-lib/program.ts";
import { addressOf } from "../check/smoke.ts";

export const name = "idle";

const REST_MS = 10_000;
const PAGES = 50;
/** Ticks of /proc/<pid>/stat in a second: fixed by Linux for programs, whatever the kernel's own. */
const TICKS_PER_SECOND = 100;

function residentMib(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kib) / 102.4) / 10;
}

function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

export async function run(): Promise<readonly Row[]> {
  if (process.platform !== "linux") throw new Error("measured on Linux alone");
  return await withHome(async (env) => {
    const rows: Row[] = [];
    for (const { label, command } of await programs()) {
      const child = Bun.spawn([...command, "serve", "--port", "0", "--no-open"], {
        env,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      try {
        const address = await addressOf(child);
        const rest = async (when: string) => {
          const before = processorMs(child.pid);
          await Bun.sleep(REST_MS);
          rows.push({
            program: label,
            when,
            residentMiB: residentMib(child.pid),
            processorMsPerSecond: (processorMs(child.pid) - before) / (REST_MS / 1000),
          });
        };
        await rest("after the start");
        for (let i = 0; i < PAGES; i++) await (await fetch(`${address}/plan`)).arrayBuffer();
        await rest(`after ${PAGES} pages`);
      } finally {
        child.kill("SIGKILL");
        await child.exited;
      }
    }
    return rows;
  });
}
