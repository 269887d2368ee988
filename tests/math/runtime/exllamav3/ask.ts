/** Runs account.py: exllamav3's own classes, asked for the sizes of matrices, caches and states. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { RawConfig } from "../../../../src/math/arch/family.ts";
import { exllamaEnvironment, findPython } from "../../../requires.ts";

export type Bits = readonly [k: number, v: number] | null;

export interface Question {
  readonly config: RawConfig;
  readonly tokens: number;
  readonly batch: number;
  readonly bits: readonly Bits[];
}

type Bytes = readonly (readonly [layer: number, bytes: number])[];

export interface Built {
  readonly linears: readonly (readonly [
    key: string,
    inSize: number,
    outSize: number,
    packed: boolean,
    head: boolean,
  ])[];
  /** One for each of the bits asked for. */
  readonly caches: readonly { readonly kv: Bytes; readonly state: Bytes }[];
  readonly tensor_parallel: boolean;
}

export function askExllama(questions: readonly Question[]): readonly (Built | { readonly error: string })[] {
  const python = findPython();
  if (python === null) throw new Error("no Python");
  const answer = spawnSync(python, [join(import.meta.dir, "account.py")], {
    encoding: "utf8",
    input: questions.map((question) => `${JSON.stringify(question)}\n`).join(""),
    timeout: 240_000,
    maxBuffer: 2 ** 28,
    env: exllamaEnvironment(),
  });
  if (answer.status !== 0) throw new Error(`account.py ended with ${answer.status}: ${answer.stderr.slice(-2000)}`);
  const lines = answer.stdout.trim().split("\n");
  if (lines.length !== questions.length) throw new Error(`${questions.length} questions, ${lines.length} answers`);
  return lines.map((line) => JSON.parse(line) as Built | { readonly error: string });
}
