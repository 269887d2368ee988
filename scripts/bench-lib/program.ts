/** The program as benches start it: compiled, and from source. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { findModel } from "../../tests/requires.ts";
import { hostTarget } from "../compile/targets.ts";
import { compile } from "../compile.ts";

const ROOT = resolve(import.meta.dir, "../..");

export interface Program {
  readonly label: string;
  readonly command: readonly string[];
}

let compiled: Promise<string> | null = null;

async function compileOnce(): Promise<string> {
  const target = hostTarget();
  if (target === null) throw new Error(`no program can be compiled for ${process.platform} ${process.arch}`);
  return (await compile(target, join(ROOT, "dist", "hwledger"))).path;
}

/** dist/hwledger, made anew once in a run. */
export async function binary(): Promise<string> {
  compiled ??= compileOnce();
  return await compiled;
}

export async function programs(): Promise<readonly Program[]> {
  return [
    { label: "one file", command: [await binary()] },
    { label: "from source", command: [process.execPath, join(ROOT, "src/cli/main.ts")] },
  ];
}

/** @throws when there is none */
export function model(): string {
  const path = findModel();
  if (path === null || !existsSync(path)) throw new Error("no SmolLM2 model found (set HWLEDGER_TEST_MODEL)");
  return path;
}

/** Runs with an empty folder as home, so that no earlier run's cache helps. */
export async function withHome<T>(
  work: (env: Record<string, string | undefined>, folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "hwledger-bench-"));
  try {
    return await work({ ...process.env, HWLEDGER_HOME: join(folder, "home"), NO_COLOR: "1" }, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The value below which the share `at` of all lies; 0.5 is the median. */
export function quantile(values: readonly number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
}

export const milliseconds = (value: number): number => Math.round(value * 10) / 10;
