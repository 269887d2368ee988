/** The engine's own rows for GPU-like devices: splits, partial offload, pools. Every exact part equals them, byte for byte and device for device. */
import { expect, test } from "bun:test";
import { accountingRows } from "../fixtures/accounting/read.ts";
import { compareRow } from "./accounting.ts";

const COMPARED = accountingRows().map(compareRow);

/** Architectures of the rows that hwLedger knows. */
const KNOWN: readonly string[] = [
  "bailingmoe",
  "bailingmoe2",
  "command-r",
  "dbrx",
  "deepseek",
  "deepseek2",
  "dots1",
  "ernie4_5-moe",
  "falcon-h1",
  "gemma2",
  "gemma3",
  "glm4",
  "glm4moe",
  "gpt-oss",
  "granitemoe",
  "hunyuan-moe",
  "jamba",
  "llama",
  "mamba",
  "mamba2",
  "minimax-m2",
  "mistral3",
  "nemotron_h",
  "nemotron_h_moe",
  "olmoe",
  "phi3",
  "phimoe",
  "qwen2",
  "qwen2moe",
  "qwen3",
  "qwen35",
  "qwen35moe",
  "qwen3moe",
  "qwen3next",
];

test("weights, caches, states and output of every row of a known family, on every device", () => {
  const compared = COMPARED.filter(({ status }) => status === "compared");
  expect(compared.flatMap(({ id, differences }) => differences.map((difference) => `${id}: ${difference}`))).toEqual(
    [],
  );
  expect(compared.length).toBe(COMPARED.filter(({ architecture }) => KNOWN.includes(architecture)).length);
  expect(compared.length).toBeGreaterThanOrEqual(395);
});

test("every other family answers unknown", () => {
  const families = new Set(
    COMPARED.filter(({ status }) => status === "compared").map(({ architecture }) => architecture),
  );
  expect([...families].sort()).toEqual([...KNOWN]);
  const unknown = COMPARED.filter(({ status }) => status === "unknown");
  expect(unknown.some(({ architecture }) => families.has(architecture))).toBe(false);
});
