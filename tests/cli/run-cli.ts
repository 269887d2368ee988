/** The program as a process: `bun src/cli/main.ts …` with a home of its own, so that no cache and no token of this machine come in. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const MAIN = resolve(import.meta.dir, "..", "..", "src", "cli", "main.ts");
const HOME = mkdtempSync(join(tmpdir(), "hwledger-cli-"));

export interface CliRun {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
  readonly maxRssBytes: number;
}

export function cliCommand(args: readonly string[]): string[] {
  return [process.execPath, MAIN, ...args];
}

export function cliEnv(): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "",
    HOME,
    HWLEDGER_HOME: join(HOME, "data"),
    HF_HUB_OFFLINE: "1",
    HF_HOME: join(HOME, "hf"),
  };
}

export function runCli(
  args: readonly string[],
  options: { readonly stdin?: string; readonly env?: Record<string, string> } = {},
): CliRun {
  const run = Bun.spawnSync(cliCommand(args), {
    env: { ...cliEnv(), ...options.env },
    stdin: Buffer.from(options.stdin ?? ""),
    stdout: "pipe",
    stderr: "pipe",
  });
  return {
    status: run.exitCode,
    out: run.stdout.toString(),
    err: run.stderr.toString(),
    maxRssBytes: run.resourceUsage.maxRSS,
  };
}

/** A small llama as a folder with config.json. Shape of SmolLM2-135M (30 layers of 576), shortened to 4. */
export function writeModel(overrides: Readonly<Record<string, unknown>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "hwledger-model-"));
  const config = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: 576,
    intermediate_size: 1536,
    max_position_embeddings: 8192,
    num_attention_heads: 9,
    num_hidden_layers: 4,
    num_key_value_heads: 3,
    rms_norm_eps: 1e-5,
    rope_theta: 100000,
    tie_word_embeddings: true,
    torch_dtype: "bfloat16",
    vocab_size: 49152,
    ...overrides,
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  return folder;
}

export function writeText(name: string, text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "hwledger-text-")), name);
  writeFileSync(path, text);
  return path;
}

/** Beside a server of the test's own process, which a synchronous run would stop. */
export async function runCliBeside(
  args: readonly string[],
  env: Record<string, string>,
): Promise<Omit<CliRun, "maxRssBytes">> {
  const child = Bun.spawn(cliCommand(args), {
    env: { ...cliEnv(), ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { status: await child.exited, out, err };
}
