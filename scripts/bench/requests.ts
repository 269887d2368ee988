/**
 * `plan --requests FILE` over 100,000 requests (20,000 without --summary), or as many as are answered in 30 seconds, for SmolLM2-135M on three devices of the table,
 * contexts from 256 to 8,192 and three cache types, as a process: start, reading and writing included, output to a pipe that
 * is read. Processor time is of all threads. Goal: 20,000 plans a second on one core with --summary.
 */
import { join } from "node:path";
import type { Row } from "../bench.ts";
import { milliseconds, model, programs, withHome } from "../bench-lib/program.ts";

export const name = "requests";

const LIMIT_MS = 30_000;
const DEVICES = ["rtx-4090", "rtx-3090", "24GiB"];
const KV_TYPES = ["f16", "q8_0", "q4_0"];

function requests(file: string, count: number): string {
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const context = 256 * (1 + (i % 32));
    const kv_type = KV_TYPES[Math.floor(i / 32) % KV_TYPES.length];
    const device = DEVICES[Math.floor(i / 96) % DEVICES.length];
    lines.push(JSON.stringify({ model: file, device, context, kv_type, sequences: 1 + (i % 4) }));
  }
  return `${lines.join("\n")}\n`;
}

export async function run(): Promise<readonly Row[]> {
  const file = model();
  return await withHome(async (env, folder) => {
    const rows: Row[] = [];
    for (const { label, command } of await programs()) {
      for (const { count, flags } of [
        { count: 100_000, flags: ["--summary"] },
        { count: 20_000, flags: [] },
      ]) {
        const path = join(folder, "requests.jsonl");
        await Bun.write(path, requests(file, count));
        const from = performance.now();
        const child = Bun.spawn([...command, "plan", "--requests", path, ...flags], {
          env,
          stdin: "ignore",
          stdout: "pipe",
          stderr: "inherit",
        });
        let answers = 0;
        let bytes = 0;
        for await (const chunk of child.stdout) {
          bytes += chunk.length;
          for (const byte of chunk) if (byte === 10) answers++;
          if (performance.now() - from > LIMIT_MS) child.kill("SIGKILL");
        }
        await child.exited;
        const seconds = (performance.now() - from) / 1000;
        if (answers < count && child.signalCode !== "SIGKILL") {
          throw new Error(`${answers} answers to ${count} requests, status ${child.exitCode}`);
        }
        const used = Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6;
        rows.push({
          program: label,
          form: flags.length > 0 ? "summary" : "full",
          answers,
          seconds: milliseconds(seconds * 1000) / 1000,
          processorSeconds: milliseconds(used * 1000) / 1000,
          plansPerProcessorSecond: Math.round(answers / used),
          plansPerSecond: Math.round(answers / seconds),
          bytesPerAnswer: Math.round(bytes / answers),
        });
      }
    }
    return rows;
  });
}
