/** What sets the dense families apart; their whole lists are compared in index-accounting.test.ts and tests/differential. */
import { describe, expect, test } from "bun:test";
import { specFromConfig } from "../../../src/math/arch/index.ts";
import { configOf, specOfModel } from "../../fixtures/models/read.ts";
import { cachedElementsPerToken, layersWith, tensorsOf } from "./cache-elements.ts";

const F16_BYTES = 2;

function shapeOf(model: string, name: string): readonly number[] | null {
  return tensorsOf(specOfModel(model)).find((tensor) => tensor.name === name)?.shape ?? null;
}

function reasonOf(model: string, change: Readonly<Record<string, unknown>>): string {
  const result = specFromConfig({ ...configOf(model), ...change });
  return result.status === "unknown" ? result.reason : "it is known";
}

// Worked by hand: layers that own a cache x heads of K and V x (key + value length) x 2 bytes.
test.each([
  ["google/gemma-7b", 458_752], // 28 x 16 x 512 x 2
  ["microsoft/phi-2", 327_680], // 32 x 32 x 160 x 2
  ["ibm-granite/granite-3.3-8b-instruct", 163_840], // 40 x 8 x 256 x 2
  ["LGAI-EXAONE/EXAONE-4.0-32B", 262_144], // 64 x 8 x 256 x 2
  ["openbmb/MiniCPM4-8B", 32_768], // 32 x 2 x 256 x 2
  ["THUDM/glm-4-9b", 40_960], // 40 x 2 x 256 x 2
  ["WizardLM/WizardCoder-15B-V1.0", 20_480], // 40 x 1 x 256 x 2
  ["tiiuae/falcon-40b", 122_880], // 60 x 8 x 128 x 2
  ["openai-community/gpt2", 36_864], // 12 x 12 x 128 x 2
  ["nvidia/Llama-3_3-Nemotron-Super-49B-v1", 200_704], // 49 of 80 layers x 8 x 256 x 2
  ["Qwen/Qwen3-VL-2B-Instruct", 114_688], // 28 x 8 x 256 x 2
  ["google/gemma-4-31B-it", 901_120], // (50 x 16 x 512 + 10 x 4 x 1024) x 2
  ["google/gemma-4-E2B-it", 18_432], // 15 of 35 layers: (12 x 512 + 3 x 1024) x 2
])("%s keeps %d bytes for a token", (model, bytes) => {
  expect(cachedElementsPerToken(specOfModel(model)) * F16_BYTES).toBe(bytes);
});

test("windows are where llama.cpp has them", () => {
  const olmo3 = layersWith(specOfModel("allenai/Olmo-3.1-32B-Instruct"), "full");
  expect(olmo3).toEqual([3, 7, 11, 15, 19, 23, 27, 31, 35, 39, 43, 47, 51, 55, 59, 63]);
  expect(layersWith(specOfModel("LGAI-EXAONE/EXAONE-4.0-32B"), "sliding")).toHaveLength(48);
  expect(layersWith(specOfModel("allenai/OLMo-2-1124-7B"), "sliding")).toEqual([]);
});

test("exaone 4 has no window unless it has 64 layers, as llama.cpp takes for granted", () => {
  const result = specFromConfig({ ...configOf("LGAI-EXAONE/EXAONE-4.0-32B"), num_hidden_layers: 30 });
  expect(result.status === "ok" && layersWith(result.spec, "sliding")).toEqual([]);
});

test("olmo 2 has no norm before its blocks, and one over all heads", () => {
  const model = "allenai/OLMo-2-1124-7B";
  expect(shapeOf(model, "blk.0.attn_norm.weight")).toBeNull();
  expect(shapeOf(model, "blk.0.post_attention_norm.weight")).toEqual([4096]);
  expect(shapeOf(model, "blk.0.attn_q_norm.weight")).toEqual([4096]);
});

test("qwen 1 counts gate and up together", () => {
  expect(shapeOf("Qwen/Qwen-1_8B-Chat", "blk.0.ffn_up.weight")).toEqual([2048, 5504]);
  expect(shapeOf("Qwen/Qwen-1_8B-Chat", "output.weight")).toEqual([2048, 151_936]);
});

test("gpt-2 has a row for each position, and a head that is the embedding", () => {
  expect(shapeOf("openai-community/gpt2", "position_embd.weight")).toEqual([768, 1024]);
  expect(specOfModel("openai-community/gpt2").tiedEmbeddings).toBe(true);
});

describe("gemma 4", () => {
  test("reads keys and values of the last two layers that have their own", () => {
    const { layers } = specOfModel("google/gemma-4-E2B-it");
    expect(layers.slice(13, 21).map(({ kvSharedWith }) => kvSharedWith)).toEqual([null, null, 13, 13, 13, 13, 14, 13]);
  });

  test("has no values of their own where everything is seen", () => {
    expect(shapeOf("google/gemma-4-31B-it", "blk.0.attn_v.weight")).toEqual([5376, 4096]);
    expect(shapeOf("google/gemma-4-31B-it", "blk.5.attn_v.weight")).toBeNull();
    expect(shapeOf("google/gemma-4-31B-it", "blk.5.attn_k.weight")).toEqual([5376, 2048]);
  });

  test("has experts beside the dense block", () => {
    expect(specOfModel("google/gemma-4-26B-A4B").layers[0]?.feedForward).toEqual({
      kind: "moe",
      experts: 128,
      expertsUsed: 8,
      expertWidth: 704,
      sharedWidth: 2112,
      sharedGated: false,
    });
  });

  test("has a second embedding, a part for each layer", () => {
    expect(shapeOf("google/gemma-4-E2B-it", "per_layer_token_embd.weight")).toEqual([35 * 256, 262_144]);
    expect(shapeOf("google/gemma-4-E2B-it", "blk.34.proj.weight")).toEqual([256, 1536]);
  });
});

test("nemotron-nas has layers without attention", () => {
  const spec = specOfModel("nvidia/Llama-3_3-Nemotron-Super-49B-v1");
  expect(spec.layers[6]).toMatchObject({ mixers: [], emptyCache: true, feedForward: { kind: "dense", width: 14_336 } });
  expect(spec.layers.filter(({ mixers }) => mixers.length === 0)).toHaveLength(31);
});

describe("is unknown, and says why", () => {
  test.each([
    ["mosaicml/mpt-7b", { no_bias: false }, "no_bias is false, which this family is not known with"],
    ["tiiuae/falcon-40b", { alibi: true }, "alibi is true: llama.cpp's falcon turns by position"],
    ["bigcode/gpt_bigcode-santacoder", { multi_query: false }, "multi_query is false"],
    ["microsoft/phi-2", { n_inner: 4096 }, "intermediate_size is 4096: llama.cpp takes four times hidden_size (10240)"],
    ["allenai/OLMo-2-1124-7B", { tie_word_embeddings: true }, "olmo2 wants a head of its own"],
    ["allenai/Olmo-3.1-32B-Instruct", { layer_types: ["linear"] }, "one for each of 64 layers is wanted"],
    ["nvidia/Llama-3_3-Nemotron-Super-49B-v1", { block_configs: [] }, "block_configs has 0 entries"],
  ])("%s with %p", (model, change, words) => {
    expect(reasonOf(model, change)).toContain(words);
  });

  test("of an architecture that llama.cpp does not load", () => {
    expect(reasonOf("microsoft/Phi-3-small-8k-instruct", {})).toBe(
      'hwLedger does not know the architecture "phi3small" (model_type) yet: block-sparse attention, which llama.cpp does not load',
    );
  });
});
