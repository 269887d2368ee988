import { describe, expect, test } from "bun:test";
import type { MetadataValue } from "../../../src/math/arch/family.ts";
import { specFromConfig, specFromGguf } from "../../../src/math/arch/index.ts";
import { configOf, specOfModel } from "../../fixtures/models/read.ts";
import { layersWith } from "./cache-elements.ts";
import { headerOf } from "./gguf-header.ts";

const GEMMA: Readonly<Record<string, MetadataValue>> = {
  block_count: 6,
  context_length: 8192,
  embedding_length: 64,
  feed_forward_length: 96,
  "attention.head_count": 4,
  "attention.head_count_kv": 2,
  "attention.key_length": 16,
  "attention.value_length": 16,
  vocab_size: 100,
};

function fullLayers(architecture: string, fields: Readonly<Record<string, MetadataValue>>): readonly number[] {
  const result = specFromGguf(headerOf(architecture, { ...GEMMA, ...fields }));
  if (result.status !== "ok") throw new Error(result.reason);
  return layersWith(result.spec, "full");
}

describe("gemma 2", () => {
  test("has a window of 4096 in every other layer, the first included", () => {
    const spec = specOfModel("google/gemma-2-2b");
    expect(layersWith(spec, "sliding")).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24]);
    expect(spec.layers[0]?.mixers).toMatchObject([{ window: 4096, scaledQuery: true, headDimK: 256 }]);
    expect(spec.layers[1]?.mixers).toMatchObject([{ kind: "full", window: null, scaledQuery: true }]);
  });

  test("takes 4096 where the metadata has no window", () => {
    expect(fullLayers("gemma2", {})).toEqual([1, 3, 5]);
  });
});

describe("gemma 3", () => {
  test.each([
    ["google/gemma-3-1b-it", 512, [5, 11, 17, 23]],
    ["google/gemma-3-4b-it", 1024, [5, 11, 17, 23, 29]],
    ["google/gemma-3-27b-it", 1024, [5, 11, 17, 23, 29, 35, 41, 47, 53, 59]],
  ])("%s has a window of %d in five layers of six", (model, window, full) => {
    const spec = specOfModel(model);
    expect(layersWith(spec, "full")).toEqual(full);
    expect(spec.layers[0]?.mixers).toMatchObject([{ kind: "sliding", window }]);
  });

  test("has Gemma3TextConfig's own sizes where a config leaves them out", () => {
    const spec = specOfModel("google/gemma-3-4b-it");
    expect(spec.layers[0]?.mixers).toMatchObject([{ heads: 8, kvHeads: 4, headDimK: 256, headDimV: 256 }]);
    expect([spec.vocabularySize, spec.contextTrained]).toEqual([262_208, 131_072]);
  });

  test("has no windows without the key, nor with a window or pattern of none", () => {
    expect(fullLayers("gemma3", {})).toEqual([0, 1, 2, 3, 4, 5]);
    expect(fullLayers("gemma3", { "attention.sliding_window": 0 })).toEqual([0, 1, 2, 3, 4, 5]);
    const config = { ...configOf("google/gemma-3-1b-it"), sliding_window_pattern: 1 };
    const result = specFromConfig(config);
    expect(result.status === "ok" && layersWith(result.spec, "sliding")).toEqual([]);
  });

  test("follows the metadata's period or list", () => {
    const window = { "attention.sliding_window": 512 };
    expect(fullLayers("gemma3", window)).toEqual([5]);
    expect(fullLayers("gemma3", { ...window, "attention.sliding_window_pattern": 3 })).toEqual([2, 5]);
    expect(fullLayers("gemma3", { ...window, "attention.sliding_window_pattern": 0 })).toEqual([]);
    const list = [true, false, true, true, false, true];
    expect(fullLayers("gemma3", { ...window, "attention.sliding_window_pattern": list })).toEqual([1, 4]);
  });

  test("refuses a list that is too short", () => {
    const fields = { ...GEMMA, "attention.sliding_window": 512, "attention.sliding_window_pattern": [true] };
    expect(specFromGguf(headerOf("gemma3", fields))).toMatchObject({
      status: "unknown",
      reason:
        "Cannot read the GGUF metadata: attention.sliding_window_pattern has 1 entries: one for each of 6 is wanted",
    });
  });
});

describe("gpt-oss", () => {
  test("has a window of 128 in every other layer, the first included", () => {
    const spec = specOfModel("openai/gpt-oss-20b");
    expect(layersWith(spec, "sliding")).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]);
    expect(spec.layers[0]?.mixers).toMatchObject([{ window: 128, heads: 64, kvHeads: 8, headDimK: 64 }]);
  });

  test("is unknown when layer_types say otherwise", () => {
    const config = { ...configOf("openai/gpt-oss-20b"), layer_types: Array(24).fill("full_attention") };
    expect(specFromConfig(config)).toMatchObject({
      status: "unknown",
      reason: "Cannot read config.json: layer_types do not alternate between sliding_attention and full_attention",
    });
  });
});

test("mistral, qwen 2 and phi 3 keep whole caches in llama.cpp, and mistral's window is spoken of", () => {
  for (const model of ["mistralai/Mistral-7B-v0.1", "Qwen/QwQ-32B", "microsoft/Phi-3-mini-4k-instruct"]) {
    const spec = specOfModel(model);
    expect(layersWith(spec, "full")).toHaveLength(spec.layers.length);
  }
  const result = specFromConfig(configOf("mistralai/Mistral-7B-v0.1"));
  expect(result).toMatchObject({
    warnings: ["llama.cpp has no sliding window for this architecture: each layer keeps the whole context."],
  });
});
