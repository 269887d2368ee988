/** Runs run.py: a model loaded by the mistralrs package, and what lay in memory after each step. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findMistralrs, findPython } from "../../../requires.ts";

export interface Look {
  readonly at: "loaded" | "done";
  /** Of prompt and answer. */
  readonly tokens: number;
  /** Buffers of at least `LEAST` bytes, and the pages that they take. */
  readonly blocks: number;
  readonly bytes: number;
}

/** From here on glibc takes a buffer from the system by itself: its size, 16 bytes of its own, whole pages. */
export const LEAST = 60_000;
const PAGE = 4096;

export function pages(bytes: number): number {
  return Math.ceil((bytes + 16) / PAGE) * PAGE;
}

export function runMistral(
  model: string,
  options: { readonly isq: string | null; readonly requests: readonly (readonly [prompt: number, most: number])[] },
): { readonly looks: readonly Look[]; readonly log: string } {
  const python = findPython();
  if (python === null) throw new Error("no Python");
  const packages = findMistralrs();
  const answer = spawnSync(python, [join(import.meta.dir, "run.py"), model, JSON.stringify(options)], {
    encoding: "utf8",
    timeout: 240_000,
    env: {
      ...process.env,
      ...(packages === null ? {} : { PYTHONPATH: packages }),
      MALLOC_MMAP_THRESHOLD_: String(LEAST),
      MALLOC_MMAP_MAX_: "100000",
      HF_HUB_OFFLINE: "1",
      NO_COLOR: "1",
    },
  });
  if (answer.status !== 0) throw new Error(`run.py ended with ${answer.status}: ${answer.stderr.slice(-2000)}`);
  const lines = answer.stdout.split("\n");
  return {
    looks: lines.filter((line) => line.startsWith('{"at"')).map((line) => JSON.parse(line) as Look),
    log: lines.filter((line) => !line.startsWith('{"at"')).join("\n"),
  };
}

let flags: ReadonlySet<string> | undefined;

/** What the kernel says of this CPU: "avx2", "avx512_vnni", "f16c". */
export function cpuFlags(): ReadonlySet<string> {
  flags ??= new Set(/^flags\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? []);
  return flags;
}
