/** Parameters and caches of the published models: ours beside mlx-lm's own (ask.ts). */
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import type { ModelSpec } from "../../../../src/math/model.ts";
import { NO_OPTIONS } from "../../../../src/math/options.ts";
import { whyNotLoaded } from "../../../../src/math/runtime/mlx/loadable.ts";
import { cacheBytesAt } from "../../../../src/math/runtime/mlx/memory.ts";
import { moduleOf } from "../../../../src/math/runtime/mlx/modules.ts";
import { prepare } from "../../../../src/math/runtime/mlx/prepare.ts";
import { resolveOptions } from "../../../../src/math/runtime/mlx/resolve.ts";
import { sizesOf } from "../../../../src/math/runtime/mlx/weights.ts";
import { type PublishedModel, publishedModels } from "../../../fixtures/models/read.ts";
import type { MlxAnswer, MlxQuestion } from "./ask.ts";
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

/** Their graph has a node for every token. */
const SLOW_TO_BUILD: ReadonlySet<string> = new Set(["mamba", "jamba", "plamo2", "rwkv7"]);
const SHORT = { prompt: 65, step: 32 } as const;

/** Published configs that mlx-lm reads otherwise than their files are. */
export const READ_OTHERWISE: Readonly<Record<string, string>> = {
  "deepseek-ai/DeepSeek-V2-Lite-Chat": "names no q_lora_rank, where mlx-lm takes 1536 and the file has none",
  "intfloat/e5-mistral-7b-instruct": "makes no text, and does not say so: mlx-lm builds a head that the file has not",
  "openbmb/MiniCPM3-4B": "does not say that its head is the embedding, as it is",
};

export interface AskedModel {
  readonly published: PublishedModel;
  readonly spec: ModelSpec;
  readonly module: string;
  readonly format: string;
  readonly run: { readonly prompt: number; readonly step: number };
}

/** Published models that we know and that mlx-lm has a module for, each with a format and a prompt. */
export function askedModels(): readonly AskedModel[] {
  const found: AskedModel[] = [];
  for (const published of publishedModels()) {
    const result = specFromConfig(published.config);
    if (result.status !== "ok" || Object.hasOwn(READ_OTHERWISE, published.model)) continue;
    const module = moduleOf(result.spec);
    if (module === null || whyNotLoaded(result.spec, module) !== null) continue;
    const i = found.length;
    const format = FORMATS[i % FORMATS.length] ?? "bf16";
    const run = SLOW_TO_BUILD.has(module)
      ? SHORT
      : (PROMPTS[(i + Math.floor(i / FORMATS.length)) % PROMPTS.length] ?? { prompt: 1, step: 2048 });
    found.push({ published, spec: result.spec, module, format, run });
  }
  return found;
}

/** One model of each module first, then every tenth. */
export function sampleOf(all: readonly AskedModel[]): readonly AskedModel[] {
  const seen = new Set<string>();
  return all.filter(({ module }, i) => {
    const first = !seen.has(module);
    seen.add(module);
    return (first && i % 2 === 0) || i % 11 === 0;
  });
}

export function questionOf({ published, format, run }: AskedModel): MlxQuestion {
  return { config: published.config, formats: ["bf16", format], runs: [{ ...run, tokens: 0 }] };
}

/** Building fails where a published config leaves out what mlx-lm wants, or a format is not for the model: no word on memory. */
function isAboutConfig(reason: string): boolean {
  return /missing|required|KeyError|argument|expected keys for mixed/.test(reason);
}

export interface ComparedBytes {
  readonly what: "weights" | "caches";
  /** The model, its module and how it was run. */
  readonly name: string;
  readonly ours: number;
  readonly theirs: number;
}

/** @throws {Error} when mlx-lm runs it as another module than we say, or fails for a reason that is not its configuration */
export function compareBytes(asked: AskedModel, answer: MlxAnswer): readonly ComparedBytes[] {
  const { spec, module, format, run, published } = asked;
  if (answer.refused !== undefined) {
    if (isAboutConfig(answer.refused)) return [];
    throw new Error(`${published.model}: ${answer.refused}`);
  }
  if (answer.module !== module) throw new Error(`${published.model}: ${module} is mlx-lm's ${answer.module}`);
  const compared: ComparedBytes[] = ["bf16", format].map((name) => ({
    what: "weights",
    name: `${published.model} (${module}) ${name}`,
    ours: sizesOf(typedAs(spec, name)).total,
    theirs: answer.weights?.[name] ?? Number.NaN,
  }));
  const caches = answer.caches?.[0];
  if (caches === undefined) return compared;
  const typed = typedAs(spec, "bf16");
  const resolution = resolveOptions(typed, { ...NO_OPTIONS, context: run.prompt, ubatch: run.step }, MAC);
  if (resolution.status === "refused") throw new Error(`${published.model}: ${resolution.reason}`);
  const prepared = prepare(typed, module, resolution.options, MAC);
  compared.push({
    what: "caches",
    name: `${published.model} (${module}) ${run.prompt} tokens by ${run.step}`,
    ours: cacheBytesAt(prepared, run.prompt, "end") + prepared.stateBytes,
    theirs: caches.reduce((sum, [, bytes]) => sum + bytes, 0),
  });
  return compared;
}
