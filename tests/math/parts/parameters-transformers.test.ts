/** Counts against transformers, which builds every config that it knows without weights (scripts/record-parameters.py). */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { specFromConfig } from "../../../src/math/arch/index.ts";
import { countParameters } from "../../../src/math/parts/parameters.ts";
import { publishedModels } from "../../fixtures/models/read.ts";

interface Recorded {
  readonly model: string;
  readonly total?: number;
  /** Elements of the state dict that are no parameters for torch. */
  readonly buffers?: Readonly<Record<string, number>>;
}

/** What the files hold and we count, and torch calls a buffer. */
const COUNTED_BUFFERS = ["e_score_correction_bias", "layer_scalar"];

const POOLER = "llama.cpp does not use the pooler: n x n + n";
/** The counts were recorded before id2label came back to these configs: transformers then makes two outputs, the model has one. */
const LABELS = "nor positions as above; counted with two labels, 1024 + 1, where there is one";
const POOLER_AND_POSITIONS = "nor the first two positions of roberta's kin: 2 x n";

/** Ours less transformers', and why. */
const OTHERWISE: ReadonlyMap<string, readonly [difference: number, why: string]> = new Map([
  // 27 x (2048 x 1536 + 1536 + 1536 x 3072 - 2048 x 3072)
  ["deepseek-ai/DeepSeek-V2-Lite-Chat", [-27 * 1_574_400, "the config lacks q_lora_rank, and the default is 1536"]],
  ["BAAI/bge-large-en", [-(1024 * 1024 + 1024), POOLER]],
  ["BAAI/bge-reranker-large", [-2 * 1024 - 1025, LABELS]],
  ["BAAI/bge-reranker-v2-m3", [-2 * 1024 - 1025, LABELS]],
  ["Snowflake/snowflake-arctic-embed-m", [-(768 * 768 + 768), POOLER]],
  ["sentence-transformers/all-MiniLM-L6-v1", [-(384 * 384 + 384), POOLER]],
  [
    "google-bert/bert-base-multilingual-cased",
    [-(768 * 768 + 768 + 2 * 768 + 119_547), "nor the head for masked words"],
  ],
  [
    "sentence-transformers/all-roberta-large-v1",
    [-(1024 * 1024 + 1024 + 2 * 1024 + 50_265 + 2 * 1024), "the head for masked words, and two positions"],
  ],
  ["ibm-granite/granite-embedding-125m-english", [-(768 * 768 + 768 + 2 * 768), POOLER_AND_POSITIONS]],
  ["ibm-granite/granite-embedding-278m-multilingual", [-(768 * 768 + 768 + 2 * 768), POOLER_AND_POSITIONS]],
  ["intfloat/multilingual-e5-large", [-(1024 * 1024 + 1024 + 2 * 1024), POOLER_AND_POSITIONS]],
  ["tiiuae/falcon-40b", [65_024 * 8192, "the files hold a head, which transformers ties"]],
  ["intfloat/e5-mistral-7b-instruct", [-32_000 * 4096, "published without a head, which transformers' class has"]],
]);

const lines = readFileSync(join(import.meta.dir, "../../fixtures/models/parameters.jsonl"), "utf8")
  .trim()
  .split("\n");
const recorded = new Map(
  lines.slice(1).map((line) => {
    const row: Recorded = JSON.parse(line);
    return [row.model, row];
  }),
);

const both = publishedModels().flatMap(({ model, config }) => {
  const spec = specFromConfig(config);
  const { total, buffers = {} } = recorded.get(model) ?? {};
  if (spec.status !== "ok" || total === undefined) return [];
  const counted = COUNTED_BUFFERS.reduce((sum, name) => sum + (buffers[name] ?? 0), 0);
  return [[model, spec.spec, total + counted] as const];
});

test("are compared for a hundred models at least", () => {
  expect(both.length).toBeGreaterThanOrEqual(100);
});

test.each(both)("%s", (model, spec, total) => {
  const [difference] = OTHERWISE.get(model) ?? [0];
  expect(countParameters(spec).total).toBe(total + difference);
});
