/**
 * Differential: mlx-lm builds the published models lazily, in several formats, and runs a prompt through them as a graph.
 * Bytes of parameters and of caches are ours, to the byte. A sample by a fixed seed; all of them with HWLEDGER_LONG=1.
 */
import { describe, expect, test } from "bun:test";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS } from "../../../../src/math/options.ts";
import { whyNotLoaded } from "../../../../src/math/runtime/mlx/loadable.ts";
import { cacheBytesAt } from "../../../../src/math/runtime/mlx/memory.ts";
import { MLX_VERSIONS, MODULES, moduleOf, REMAPPED } from "../../../../src/math/runtime/mlx/modules.ts";
import { prepare } from "../../../../src/math/runtime/mlx/prepare.ts";
import { resolveOptions } from "../../../../src/math/runtime/mlx/resolve.ts";
import { sizesOf } from "../../../../src/math/runtime/mlx/weights.ts";
import { type PublishedModel, publishedModels } from "../../../fixtures/models/read.ts";
import { LONG, requires, testIf } from "../../../requires.ts";
import { askMlx, askPackage, type MlxAnswer } from "./ask.ts";
import { MAC, typedAs } from "./peaks.ts";

/** Formats in turn, so that each is asked of many models and none of all. */
const FORMATS = ["mlx-4bit-g64", "mlx-8bit-g32", "mlx-mxfp4", "mlx-3bit-g128", "mlx-nvfp4", "mlx-mixed-4-6"];
/** Prompts below and above windows, at and beside whole steps. */
const PROMPTS = [
  { prompt: 1, step: 2048 },
  { prompt: 5000, step: 2048 },
  { prompt: 2049, step: 2048 },
  { prompt: 700, step: 512 },
  { prompt: 1111, step: 300 },
  { prompt: 9000, step: 4096 },
];

/** Published configs that mlx-lm reads otherwise than their files are. */
const READ_OTHERWISE: Readonly<Record<string, string>> = {
  "deepseek-ai/DeepSeek-V2-Lite-Chat": "names no q_lora_rank, where mlx-lm takes 1536 and the file has none",
  "intfloat/e5-mistral-7b-instruct": "makes no text, and does not say so: mlx-lm builds a head that the file has not",
  "openbmb/MiniCPM3-4B": "does not say that its head is the embedding, as it is",
};

interface Asked {
  readonly published: PublishedModel;
  readonly spec: ModelSpec;
  readonly module: string;
  readonly format: string;
  readonly run: { readonly prompt: number; readonly step: number };
}

function known(): readonly Asked[] {
  const found: Asked[] = [];
  for (const published of publishedModels()) {
    const result = specFromConfig(published.config);
    if (result.status !== "ok" || Object.hasOwn(READ_OTHERWISE, published.model)) continue;
    const module = moduleOf(result.spec);
    if (module === null || whyNotLoaded(result.spec, module) !== null) continue;
    const i = found.length;
    const format = FORMATS[i % FORMATS.length] ?? "bf16";
    const run = PROMPTS[(i + Math.floor(i / FORMATS.length)) % PROMPTS.length] ?? { prompt: 1, step: 2048 };
    found.push({ published, spec: result.spec, module, format, run });
  }
  return found;
}

/** One model of each module first, then every tenth. */
function sample(all: readonly Asked[]): readonly Asked[] {
  const seen = new Set<string>();
  return all.filter(({ module }, i) => {
    const first = !seen.has(module);
    seen.add(module);
    return (first && i % 2 === 0) || i % 11 === 0;
  });
}

/** Building fails where a published config leaves out what mlx-lm wants, or a format is not for the model: no word on memory. */
function isAboutConfig(reason: string): boolean {
  return /missing|required|KeyError|argument|expected keys for mixed/.test(reason);
}

function compare({ spec, module, format, run, published }: Asked, answer: MlxAnswer): string | null {
  if (answer.refused !== undefined)
    return isAboutConfig(answer.refused) ? null : `${published.model}: ${answer.refused}`;
  if (answer.module !== module) return `${published.model}: ${module} is mlx-lm's ${answer.module}`;
  for (const name of ["bf16", format]) {
    const ours = sizesOf(typedAs(spec, name)).total;
    const theirs = answer.weights?.[name];
    if (ours !== theirs) return `${published.model} ${name}: ${ours} B of weights, mlx-lm ${theirs}`;
  }
  const caches = answer.caches?.[0];
  if (caches === undefined) return null;
  const typed = typedAs(spec, "bf16");
  const resolution = resolveOptions(typed, { ...NO_OPTIONS, context: run.prompt, ubatch: run.step }, MAC);
  if (resolution.status === "refused") return `${published.model}: ${resolution.reason}`;
  const prepared = prepare(typed, module, resolution.options, MAC);
  const ours = cacheBytesAt(prepared, run.prompt, "end") + prepared.stateBytes;
  const theirs = caches.reduce((sum, [, bytes]) => sum + bytes, 0);
  return ours === theirs
    ? null
    : `${published.model} (${module}), ${run.prompt} tokens by ${run.step}: ${ours} B of caches, mlx-lm ${theirs}`;
}

describe("mlx-lm's own account", () => {
  const reason = requires.mlx();

  testIf(
    reason,
    "parameters and caches of the published models, to the byte",
    () => {
      const all = known();
      const asked = LONG ? all : sample(all);
      const answers = askMlx(
        asked.map(({ published, format, run }) => ({
          config: published.config,
          formats: ["bf16", format],
          runs: [{ ...run, tokens: 0 }],
        })),
      );
      const differences = asked.flatMap((one, i) => compare(one, answers[i] ?? { refused: "no answer" }) ?? []);
      expect(differences).toEqual([]);
      expect(answers.filter(({ caches }) => caches !== undefined && caches.length > 0).length).toBeGreaterThan(
        asked.length * 0.9,
      );
    },
    LONG ? 1_800_000 : 300_000,
  );

  testIf(
    reason,
    "modules and names are the package's own",
    () => {
      const answer = askPackage();
      expect(answer.version).toBe(MLX_VERSIONS[0]);
      expect([...MODULES].toSorted()).toEqual(answer.modules.toSorted());
      expect(Object.fromEntries(REMAPPED)).toEqual(answer.remapped);
    },
    120_000,
  );

  test("a configuration that is read otherwise is among the published ones", () => {
    const names = new Set(publishedModels().map(({ model }) => model));
    for (const model of Object.keys(READ_OTHERWISE)) expect(names.has(model)).toBe(true);
  });
});
