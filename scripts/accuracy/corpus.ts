/**
 * Every published config.json and every dump of a GGUF file, through `hwledger plan --requests`: what is answered, what not, why.
 * The files are written to a folder that is gone afterwards; a dump's has its metadata and, where the dump lists them, its tensors.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as z from "zod";
import { dumpNames, fileFromDump, readDump } from "../../tests/fixtures/gguf-dumps.ts";
import { writeGguf } from "../../tests/fixtures/gguf-writer.ts";
import { publishedModels } from "../../tests/fixtures/models/read.ts";

const ROOT = resolve(import.meta.dir, "../..");
const answer = z.object({ status: z.string(), reason: z.string().optional() });

export interface CorpusCount {
  readonly asked: number;
  /** By status of the answer. */
  readonly statuses: Readonly<Record<string, number>>;
  /** What was said where no answer was given, without what differs between models, and how often. */
  readonly reasons: readonly (readonly [reason: string, count: number])[];
}

export interface Corpus {
  readonly configs: CorpusCount;
  readonly dumps: CorpusCount;
}

export async function countCorpus(): Promise<Corpus> {
  const folder = mkdtempSync(join(tmpdir(), "hwledger-corpus-"));
  try {
    const configs = publishedModels().map(({ config }, i) => {
      const path = join(folder, `config-${i}`);
      mkdirSync(path);
      writeFileSync(join(path, "config.json"), JSON.stringify(config));
      return path;
    });
    const dumps = dumpNames().map((name) => {
      const path = join(folder, `${name.replaceAll(/-\d+-of-\w+$/g, "")}.gguf`);
      writeGguf(path, fileFromDump(readDump(name)));
      return path;
    });
    return { configs: await count(configs, folder), dumps: await count(dumps, folder) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function count(models: readonly string[], folder: string): Promise<CorpusCount> {
  const requests = join(folder, "requests.jsonl");
  writeFileSync(requests, models.map((model) => `${JSON.stringify({ model, device: "cpu:64GiB" })}\n`).join(""));
  const command = [process.execPath, join(ROOT, "src", "cli", "main.ts"), "plan", "--requests", requests, "--summary"];
  const child = Bun.spawn(command, {
    stdout: "pipe",
    stderr: "inherit",
    env: { ...process.env, HWLEDGER_HOME: folder },
  });
  const lines = (await new Response(child.stdout).text()).split("\n").filter((line) => line !== "");
  if (lines.length !== models.length) throw new Error(`${lines.length} answers to ${models.length} requests`);
  const statuses: Record<string, number> = {};
  const reasons = new Map<string, number>();
  for (const line of lines) {
    const { status, reason: said } = answer.parse(JSON.parse(line));
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (status !== "unknown" && status !== "error") continue;
    const reason = general(said ?? "no reason", folder);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  return { asked: models.length, statuses, reasons: [...reasons].sort((a, b) => b[1] - a[1]) };
}

function general(reason: string, folder: string): string {
  return reason.replaceAll(folder, "").replaceAll(/"\/config-\d+\/?/g, '"…/');
}
