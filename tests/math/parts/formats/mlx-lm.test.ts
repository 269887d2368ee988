/** MLX's formats against mlx-lm itself: every published config that both know (scripts/record-mlx-weights.py). */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { specFromConfig } from "../../../../src/math/arch/index.ts";
import { parseFormat, sizeFormat } from "../../../../src/math/parts/formats/index.ts";
import { publishedModels } from "../../../fixtures/models/read.ts";

const NAMES = ["bf16", "mlx-4bit-g64", "mlx-8bit-g32", "mlx-mxfp4", "mlx-mixed-4-6"];

/** Where mlx-lm's module holds something else than the repository. */
const OTHERWISE: ReadonlyMap<string, string> = new Map([
  ["deepseek-ai/DeepSeek-V2-Lite-Chat", "the config lacks q_lora_rank, and mlx-lm's default is 1536"],
  ["zai-org/GLM-5.2", "mlx-lm's module has an indexer in layers that share another's, and leaves it empty"],
  ["zai-org/GLM-5.2-FP8", "as above"],
  ["nvidia/GLM-5.2-NVFP4", "as above"],
  ["google/gemma-3-1b-it", "a head of its own, which is dropped when the files have none"],
  ["google/gemma-3-27b-it", "as above"],
  ["google/gemma-3-4b-it", "as above"],
  ["internlm/internlm2-7b-reward", "mlx-lm gives it a head"],
  ["intfloat/e5-mistral-7b-instruct", "mlx-lm gives it a head"],
  ["microsoft/phi-1_5", "mlx-lm reads other keys of this older config"],
  ["microsoft/phi-2", "as above"],
  ["openbmb/MiniCPM-MoE-8x2B", "mlx-lm reads it as the model without experts"],
  ["openbmb/MiniCPM3-4B", "the config says nothing of a tied head: transformers ties it, mlx-lm does not"],
]);

const lines = readFileSync(join(import.meta.dir, "../../../fixtures/models/mlx-weights.jsonl"), "utf8")
  .trim()
  .split("\n");
const recorded = new Map(
  lines.slice(1).map((line) => {
    const row: { readonly model: string } & Readonly<Record<string, unknown>> = JSON.parse(line);
    return [row.model, row];
  }),
);

const both = publishedModels().flatMap(({ model, config }) => {
  const spec = specFromConfig(config);
  const row = recorded.get(model);
  return spec.status === "ok" && row?.bf16 !== undefined && !OTHERWISE.has(model)
    ? [[model, spec.spec, row] as const]
    : [];
});

test("are compared for a hundred models at least", () => {
  expect(both.length).toBeGreaterThanOrEqual(100);
});

test.each(both)("of %s", (_, spec, row) => {
  for (const name of NAMES) {
    const format = parseFormat(name);
    // A model without "down_proj" in its names has no mixture.
    if (format !== null && row[name] !== undefined)
      expect(`${name} ${sizeFormat(spec, format).total}`).toBe(`${name} ${row[name]}`);
  }
});
