/** Asks mlx-lm itself (account.py, in Python) what it would hold. */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import type { RawConfig } from "../../../../src/math/arch/family.ts";
import { pythonWith } from "../../../requires.ts";

const PROGRAM = resolve(import.meta.dir, "account.py");

export interface MlxQuestion {
  readonly config: RawConfig;
  readonly formats: readonly string[];
  readonly runs: readonly {
    readonly prompt: number;
    readonly tokens: number;
    readonly step: number;
    readonly kv_bits?: number;
    readonly sequences?: number;
  }[];
  /** Really computes it; without, nothing is. */
  readonly evaluate?: boolean;
}

export interface MlxAnswer {
  /** File of mlx_lm/models. */
  readonly module?: string;
  readonly refused?: string;
  readonly weights?: Readonly<Record<string, number>>;
  /** For each run the class and the bytes of each layer's cache. */
  readonly caches?: readonly (readonly (readonly [string, number])[])[];
  readonly no_caches?: string;
  /** With `evaluate`: mx.get_active_memory() before and after. */
  readonly active?: { readonly weights: number; readonly caches: readonly number[] };
}

/** Answers in the order of the questions; one process for all of them. */
export function askMlx(questions: readonly MlxQuestion[]): readonly MlxAnswer[] {
  const { python, env } = pythonWith("mlx_lm", "HWLEDGER_TEST_MLX");
  if (python === null) throw new Error("Cannot ask mlx-lm: no Python has it");
  const answer = spawnSync(python, [PROGRAM], {
    input: questions.map((question) => JSON.stringify(question)).join("\n"),
    encoding: "utf8",
    env,
    maxBuffer: 2 ** 28,
    timeout: 1_500_000,
  });
  if (answer.status !== 0) throw new Error(`Cannot ask mlx-lm: ${answer.stderr.slice(-2000)}`);
  return answer.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as MlxAnswer);
}

export interface MlxPackage {
  readonly version: string;
  /** Files of mlx_lm/models that define a Model. */
  readonly modules: readonly string[];
  readonly remapped: Readonly<Record<string, string>>;
}

/** What the installed package says of itself. */
export function askPackage(): MlxPackage {
  const { python, env } = pythonWith("mlx_lm", "HWLEDGER_TEST_MLX");
  if (python === null) throw new Error("Cannot ask mlx-lm: no Python has it");
  const answer = spawnSync(python, [PROGRAM, "--package"], { encoding: "utf8", env, timeout: 100_000 });
  if (answer.status !== 0) throw new Error(`Cannot ask mlx-lm: ${answer.stderr.slice(-2000)}`);
  return JSON.parse(answer.stdout) as MlxPackage;
}
