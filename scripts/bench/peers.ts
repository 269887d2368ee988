/**
 * Who is how far off: memory of models on llama.cpp at 32,768 tokens, one sequence, nothing offloaded, against llama.cpp's own
 * accounting of the same file (weights, caches and states, compute and output buffers of its default step of 512 tokens;
 * node-llama-cpp, no allocation). Files: a dump's metadata, its tensors by name as Q8_0, the data a hole. gguf-parser-go reads
 * the file (scripts/bench-lib/gguf-parser, built with Go); llmfit has a database of its own and answers for a model's name with
 * the least memory it takes to be enough, margins included. Errors are signed: plus is too much. "beside weights" is what grows with the context.
 * Last row: the median size of the error.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askLlamaCpp } from "../../src/engines/llama-cpp/ask.ts";
import { askedTensors } from "../../src/engines/llama-cpp/ask-plan.ts";
import { judgeMetadata } from "../../src/engines/llama-cpp/judge-metadata.ts";
import { machineFromText } from "../../src/hardware/machine-from-text.ts";
import { specFromGguf } from "../../src/math/arch/index.ts";
import type { ModelSpec } from "../../src/math/model.ts";
import { NO_OPTIONS } from "../../src/math/options.ts";
import { RUNTIMES } from "../../src/math/runtime/index.ts";
import { GIB } from "../../src/math/units.ts";
import { typeWeights } from "../../src/math/weights-choice.ts";
import { ACCOUNTING } from "../../tests/fakes/accounting.ts";
import { fileFromDump, headerFromDump, readDump } from "../../tests/fixtures/gguf-dumps.ts";
import { writeGguf } from "../../tests/fixtures/gguf-writer.ts";
import type { Row } from "../bench.ts";
import { quantile } from "../bench-lib/program.ts";

export const name = "peers";

const CONTEXT = 32_768;
const WEIGHTS = "Q8_0";

const MODELS: readonly { readonly dump: string; readonly id: string }[] = [
  { dump: "llama-3.1-8b-q4_k_m", id: "meta-llama/Llama-3.1-8B-Instruct" },
  { dump: "llama-3.1-70b-q4_k_m", id: "meta-llama/Llama-3.1-70B-Instruct" },
  { dump: "phi3-4-q4", id: "microsoft/phi-4" },
  { dump: "qwen3-32b-q4_0", id: "Qwen/Qwen3-32B" },
  { dump: "qwen3moe-30b-a3b-q4_k_m", id: "Qwen/Qwen3-30B-A3B" },
  { dump: "gemma2-9b-q4_k_m", id: "google/gemma-2-9b-it" },
  { dump: "gemma3-27b-iq4_xs", id: "google/gemma-3-27b-it" },
  { dump: "deepseek2-v2-lite-chat-q5_k", id: "deepseek-ai/DeepSeek-V2-Lite-Chat" },
  { dump: "qwen3next-80b-a3b-ud-q4_k_xl", id: "Qwen/Qwen3-Next-80B-A3B-Instruct" },
];

/** Bytes in all, and of them weights. */
interface Sizes {
  readonly all: number;
  readonly weights: number;
}

interface Subject {
  /** What llama.cpp accounts for. */
  readonly truth: Sizes;
  readonly ours: Sizes;
  readonly path: string;
}

type Who = "ours" | "gguf-parser-go" | "llmfit";

export async function run(): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "hwledger-peers-"));
  try {
    const parser = await buildParser(folder);
    const fits = (await outputOf(["llmfit", "--version"])) !== null;
    const rows: Row[] = [];
    const sizes: Record<string, number[]> = {};
    for (const { dump, id } of MODELS) {
      const { truth, ours, path } = await subjectOf(dump, folder);
      const said: readonly (readonly [Who, Sizes | null])[] = [
        ["ours", ours],
        ["gguf-parser-go", parser === null ? null : await byParser(parser, path)],
        ["llmfit", fits ? await byFit(id) : null],
      ];
      const cells: Record<string, number | null> = {};
      const put = (what: string, size: (of: Sizes) => number): void => {
        cells[`${what}GiB`] = size(truth) / GIB;
        for (const [who, answer] of said) {
          const key = `${what}${who} %`;
          const off = answer === null ? null : Math.round((size(answer) / size(truth) - 1) * 1e5) / 1e3;
          cells[key] = off;
          if (off !== null) sizes[key] = [...(sizes[key] ?? []), Math.abs(off)];
        }
      };
      put("", ({ all }) => all);
      put("beside weights: ", ({ all, weights }) => all - weights);
      rows.push({ model: dump, ...cells });
    }
    const middle = Object.entries(sizes).map(([key, list]) => [key, quantile(list, 0.5)]);
    return [
      ...rows,
      { model: "median size of the error", GiB: null, "beside weights: GiB": null, ...Object.fromEntries(middle) },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function subjectOf(dump: string, folder: string): Promise<Subject> {
  const header = headerFromDump(readDump(dump));
  const spec = specFromGguf(header);
  const metadata = judgeMetadata(header);
  const typed = spec.status === "ok" ? typeWeights(spec.spec, WEIGHTS, []) : null;
  if (typed?.status !== "ok" || metadata.status !== "ok") throw new Error(`${dump} is not known`);
  const model = typed.spec;
  const context = { contextTotal: CONTEXT, sequences: 1, ubatch: 512, flashAttention: "on", swaFull: false } as const;
  const asked = await askLlamaCpp(
    {
      metadata: metadata.pairs,
      tensors: askedTensors(model),
      contexts: [{ ...context, kvTypeK: "F16", kvTypeV: "F16" }],
    },
    ACCOUNTING,
  );
  const [answer] = asked.status === "ok" ? asked.contexts : [];
  if (asked.status !== "ok" || answer?.status !== "ok") throw new Error(`llama.cpp does not load ${dump}`);
  const tensors = [...model.outside, ...model.layers.flatMap((layer) => layer.tensors)];
  const path = join(folder, `${dump}.gguf`);
  writeGguf(
    path,
    fileFromDump(
      readDump(dump),
      tensors.map(({ name: tensor, shape, type }) => ({ name: tensor, shape, type: type ?? "F32" })),
    ),
  );
  const weights = asked.weightsBytes ?? Number.NaN;
  return { path, truth: { weights, all: weights + answer.totalBytes }, ours: ourSizes(model) };
}

/** Weights, caches, states and compute: what the accounting is of. */
function ourSizes(model: ModelSpec): Sizes {
  const options = { ...NO_OPTIONS, context: CONTEXT, program: "api", batch: 512, flashAttention: "on" } as const;
  const plan = RUNTIMES["llama.cpp"].plan(model, options, machineFromText("cpu:2048GiB"));
  if (plan.status === "refused") throw new Error(plan.reason);
  const { weights_bytes, kv_cache_bytes, state_bytes, compute_bytes } = plan.parts;
  const sum = (part: Float64Array): number => part.reduce((all, bytes) => all + bytes, 0);
  const weights = sum(weights_bytes);
  return { weights, all: weights + sum(kv_cache_bytes) + sum(state_bytes) + sum(compute_bytes) };
}

/** null: not there, or it failed. */
async function outputOf(command: readonly string[], cwd: string = import.meta.dir): Promise<string | null> {
  const [program = ""] = command;
  if (Bun.which(program) === null) return null;
  const child = Bun.spawn([...command], { cwd, stdin: "ignore", stdout: "pipe", stderr: "ignore" });
  const text = await new Response(child.stdout).text();
  return (await child.exited) === 0 ? text : null;
}

async function buildParser(folder: string): Promise<string | null> {
  const path = join(folder, "gguf-parser");
  const source = join(import.meta.dir, "../bench-lib/gguf-parser");
  return (await outputOf(["go", "build", "-o", path, "."], source)) === null ? null : path;
}

/** Of all devices: weights, caches and computation. */
async function byParser(parser: string, path: string): Promise<Sizes | null> {
  const text = await outputOf([parser, path]);
  if (text === null) return null;
  const { devices } = JSON.parse(text) as {
    readonly devices: readonly Readonly<
      Record<"weight" | "kvCache" | "computation", Readonly<Record<string, number>>>
    >[];
  };
  let all = 0;
  let weights = 0;
  for (const { weight, kvCache, computation } of devices) {
    for (const part of [weight, kvCache, computation]) for (const size of Object.values(part)) all += size;
    for (const size of Object.values(weight)) weights += size;
  }
  return { all, weights };
}

/** Its gigabytes are 10^9 bytes for the weights that its formula gives; the margins are in them. */
async function byFit(id: string): Promise<Sizes | null> {
  const text = await outputOf(["llmfit", "--json", "plan", id, "--context", String(CONTEXT), "--quant", WEIGHTS]);
  if (text === null) return null;
  const answer = JSON.parse(text) as { readonly minimum: { readonly vram_gb: number }; readonly disk_size_gb: number };
  return { all: answer.minimum.vram_gb * 1e9, weights: answer.disk_size_gb * 1e9 };
}
