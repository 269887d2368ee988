/** Nothing that a config or a header may hold makes the readers throw, guess or run out of bounds. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { GgufHeader, MetadataValue, RawConfig } from "../../../src/math/arch/family.ts";
import { specFromConfig, specFromGguf } from "../../../src/math/arch/index.ts";
import type { SpecResult } from "../../../src/math/model.ts";
import { accountingRows, headerOf } from "../../fixtures/accounting/read.ts";
import { configOf } from "../../fixtures/models/read.ts";
import { LONG } from "../../requires.ts";
import { tensorsOf } from "./cache-elements.ts";

const RUNS = LONG ? 2000 : 150;

/** One of each family. */
const MODELS = [
  "meta-llama/Llama-3.2-1B",
  "mistralai/Mixtral-8x7B-v0.1",
  "Qwen/Qwen2-0.5B-Instruct",
  "Qwen/Qwen1.5-MoE-A2.7B-Chat",
  "Qwen/Qwen3-0.6B",
  "Qwen/Qwen3-30B-A3B",
  "Qwen/Qwen3-Next-80B-A3B-Instruct",
  "Qwen/Qwen3.5-0.8B",
  "google/gemma-2-2b",
  "google/gemma-3-1b-it",
  "microsoft/Phi-3-mini-128k-instruct",
  "deepseek-ai/DeepSeek-V2-Lite",
  "openai/gpt-oss-20b",
  "THUDM/GLM-4.1V-9B-Thinking",
  "CohereForAI/aya-23-8B",
  "tiiuae/Falcon-H1-0.5B-Instruct",
];

/** A model's numbers, and everything else that a JSON file may hold in their place. */
const oddValue = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 8, 64, 4096, 4097, 2 ** 16, 2 ** 24, 2 ** 31, 2 ** 53, -1, 0.5, 1e308),
  fc.integer({ min: 0, max: 300 }),
  fc.double(),
  fc.string({ maxLength: 8 }),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.oneof(fc.integer(), fc.string({ maxLength: 3 })), { maxLength: 5 }),
  fc.dictionary(fc.string({ maxLength: 4 }), fc.integer(), { maxKeys: 3 }),
);

function mutated(config: RawConfig): fc.Arbitrary<RawConfig> {
  const keys = Object.keys(config);
  const change = fc.tuple(fc.constantFrom(...keys), fc.option(oddValue, { nil: undefined }));
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const copy: Record<string, unknown> = { ...config };
    for (const [key, value] of changes) {
      if (value === undefined) delete copy[key];
      else copy[key] = value;
    }
    return copy;
  });
}

/** What an answer has to be, whatever was asked. */
function expectSound(result: SpecResult): void {
  if (result.status === "unknown") {
    expect(result.reason.length).toBeGreaterThan(0);
    return;
  }
  const { spec } = result;
  const elements = tensorsOf(spec).map(({ shape }) => shape.reduce((product, n) => product * n, 1));
  expect(spec.layers.length).toBeGreaterThan(0);
  expect(elements.every((n) => Number.isSafeInteger(n) && n > 0)).toBe(true);
  expect(Number.isSafeInteger(elements.reduce((sum, n) => sum + n, 0) * 4)).toBe(true);
  const names = tensorsOf(spec).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
}

/** Wrappers are opened so that mutations reach the text model. */
function flat(model: string): RawConfig {
  const config = configOf(model);
  const text = config.text_config;
  return typeof text === "object" && text !== null ? { ...config, ...text, text_config: undefined } : config;
}

describe("a config with some fields changed or gone", () => {
  test.each(MODELS)("%s is ok or unknown", (model) => {
    const config = flat(model);
    fc.assert(
      fc.property(mutated(config), (changed) => expectSound(specFromConfig(changed))),
      { numRuns: RUNS },
    );
  });
});

test("any JSON object is ok or unknown", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (config) => expectSound(specFromConfig(config))),
    { numRuns: RUNS },
  );
});

test("any JSON text_config is ok or unknown", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (text) =>
      expectSound(specFromConfig({ ...flat("Qwen/Qwen3-0.6B"), text_config: text })),
    ),
    { numRuns: RUNS },
  );
});

const HEADERS = [...new Map(accountingRows().map((row) => [row.arch, row])).values()].filter(
  (row) => specFromGguf({ ...headerOf(row), tensors: [] }).status === "ok",
);

describe("a GGUF header with some metadata changed or gone", () => {
  test.each(HEADERS.map((row) => [row.arch, row] as const))("%s is ok or unknown", (_, row) => {
    const header = headerOf(row);
    const keys = [...header.metadata.keys()];
    const value = fc.oneof(
      fc.constantFrom(0, 1, 2, 4096, 2 ** 24, 2 ** 31, 2 ** 53, -1, 0.5),
      fc.integer({ min: 0, max: 300 }),
      fc.string({ maxLength: 6 }),
      fc.boolean(),
      fc.array(fc.integer({ min: 0, max: 64 }), { maxLength: 80 }),
    );
    const changes = fc.array(fc.tuple(fc.constantFrom(...keys), fc.option(value, { nil: undefined })), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(changes, fc.boolean(), (list, withTensors) => {
        const metadata = new Map<string, MetadataValue>(header.metadata);
        for (const [key, changed] of list) {
          if (changed === undefined) metadata.delete(key);
          else metadata.set(key, changed);
        }
        const asked: GgufHeader = { ...header, metadata, tensors: withTensors ? header.tensors : [] };
        expectSound(specFromGguf(asked));
      }),
      { numRuns: Math.ceil(RUNS / 3) },
    );
  });
});
