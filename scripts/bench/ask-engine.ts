/**
 * Asking llama.cpp itself, from the outside: a child of this program is started, loads the addon, accounts for the model and
 * for contexts of 8,192 tokens. Median of five. Beside it node-llama-cpp's own estimate of the same files in this process,
 * GgufInsights with its V2 methods: the package and its engine start once (the first row), then each file is read and estimated.
 * Files: a dump's metadata, a vocabulary of its length, its tensors by name, the data a hole.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AskedModel, askLlamaCpp } from "../../src/engines/llama-cpp/ask.ts";
import { askedTensors } from "../../src/engines/llama-cpp/ask-plan.ts";
import { judgeMetadata } from "../../src/engines/llama-cpp/judge-metadata.ts";
import type { AskedContext } from "../../src/engines/llama-cpp/protocol.ts";
import { specFromGguf } from "../../src/math/arch/index.ts";
import type { ModelSpec } from "../../src/math/model.ts";
import { typeWeights } from "../../src/math/weights-choice.ts";
import { ACCOUNTING } from "../../tests/fakes/accounting.ts";
import { fileFromDump, headerFromDump, readDump } from "../../tests/fixtures/gguf-dumps.ts";
import { type WriteTensor, writeGguf } from "../../tests/fixtures/gguf-writer.ts";
import type { Row } from "../bench.ts";

export const name = "ask-engine";

const DUMPS = ["llama-3.1-8b-q4_k_m", "qwen3moe-30b-a3b-q4_k_m", "gemma3-27b-iq4_xs", "qwen3next-80b-a3b-ud-q4_k_xl"];
const RUNS = 5;
const CONTEXT: AskedContext = {
  contextTotal: 8192,
  sequences: 1,
  ubatch: 512,
  flashAttention: "on",
  kvTypeK: "F16",
  kvTypeV: "F16",
  swaFull: false,
};
const MORE = 10;

export async function run(): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "hwledger-ask-"));
  try {
    const from = performance.now();
    const { getLlama, GgufInsights, readGgufFileInfo } = await import("node-llama-cpp");
    const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, progressLogs: false });
    const start = performance.now() - from;
    const rows: Row[] = [{ model: "start of node-llama-cpp", "ours ms": null, "node-llama-cpp ms": start }];
    for (const dump of DUMPS) {
      const { asked, model } = askedOf(dump);
      const one = await median(() => ask({ ...asked, contexts: [CONTEXT] }));
      const many = await median(() => ask({ ...asked, contexts: Array.from({ length: 1 + MORE }, () => CONTEXT) }));
      const path = join(folder, `${dump}.gguf`);
      writeGguf(path, fileFromDump(readDump(dump), writeTensors(model)));
      const options = { contextSize: CONTEXT.contextTotal, modelGpuLayers: 0, batchSize: CONTEXT.ubatch, sequences: 1 };
      const theirs = await median(async () => {
        const insights = await GgufInsights.from(await readGgufFileInfo(path), llama);
        await insights.estimateModelResourceRequirementsV2({ gpuLayers: 0, useMmap: true });
        await insights.estimateContextResourceRequirementsV2({ ...options, flashAttention: true, swaFullCache: false });
      });
      rows.push({
        model: dump,
        "ours ms": one,
        "ours ms, each context more": (many - one) / MORE,
        "node-llama-cpp ms": theirs,
      });
    }
    await llama.dispose();
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function askedOf(dump: string): { readonly asked: Omit<AskedModel, "contexts">; readonly model: ModelSpec } {
  const header = headerFromDump(readDump(dump));
  const spec = specFromGguf(header);
  const metadata = judgeMetadata(header);
  const typed = spec.status === "ok" ? typeWeights(spec.spec, "Q8_0", []) : null;
  if (typed?.status !== "ok" || metadata.status !== "ok") throw new Error(`${dump} is not known`);
  return { asked: { metadata: metadata.pairs, tensors: askedTensors(typed.spec) }, model: typed.spec };
}

function writeTensors(model: ModelSpec): readonly WriteTensor[] {
  const tensors = [...model.outside, ...model.layers.flatMap((layer) => layer.tensors)];
  return tensors.map(({ name: tensor, shape, type }) => ({ name: tensor, shape, type: type ?? "F32" }));
}

async function ask(asked: AskedModel): Promise<void> {
  const result = await askLlamaCpp(asked, ACCOUNTING);
  if (result.status !== "ok") throw new Error(JSON.stringify(result));
}

async function median(work: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const from = performance.now();
    await work();
    times.push(performance.now() - from);
  }
  return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)] ?? 0;
}
