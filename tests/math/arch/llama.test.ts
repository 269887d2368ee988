import { describe, expect, test } from "bun:test";
import { specFromConfig, specFromGguf } from "../../../src/math/arch/index.ts";
import { configOf, specOfModel } from "../../fixtures/models/read.ts";
import { shapesOf, tensorsOf } from "./cache-elements.ts";
import { headerOf } from "./gguf-header.ts";

const TINY = {
  model_type: "llama",
  hidden_size: 64,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 96,
  vocab_size: 100,
  max_position_embeddings: 512,
};

function shapes(change: Readonly<Record<string, unknown>>): readonly string[] {
  const result = specFromConfig({ ...TINY, ...change });
  if (result.status !== "ok") throw new Error(result.reason);
  return shapesOf(tensorsOf(result.spec));
}

test("has llama.cpp's names and shapes", () => {
  expect(shapes({})).toEqual([
    "blk.0.attn_k.weight [64, 32]",
    "blk.0.attn_norm.weight [64]",
    "blk.0.attn_output.weight [64, 64]",
    "blk.0.attn_q.weight [64, 64]",
    "blk.0.attn_v.weight [64, 32]",
    "blk.0.ffn_down.weight [96, 64]",
    "blk.0.ffn_gate.weight [64, 96]",
    "blk.0.ffn_norm.weight [64]",
    "blk.0.ffn_up.weight [64, 96]",
    "output.weight [64, 100]",
    "output_norm.weight [64]",
    "token_embd.weight [64, 100]",
  ]);
});

test("an explicit head size stands before the share of the width", () => {
  expect(shapes({ head_dim: 32 })).toEqual(
    expect.arrayContaining([
      "blk.0.attn_q.weight [64, 128]",
      "blk.0.attn_output.weight [128, 64]",
      "blk.0.attn_k.weight [64, 64]",
    ]),
  );
});

test("biases are where the config turns them on", () => {
  expect(shapes({ attention_bias: true, mlp_bias: true }).filter((name) => name.includes("bias"))).toEqual([
    "blk.0.attn_k.bias [32]",
    "blk.0.attn_output.bias [64]",
    "blk.0.attn_q.bias [64]",
    "blk.0.attn_v.bias [32]",
    "blk.0.ffn_down.bias [64]",
    "blk.0.ffn_gate.bias [96]",
    "blk.0.ffn_up.bias [96]",
  ]);
});

test("llama 3's rope factors are one vector of half a head, by either spelling", () => {
  const vector = "rope_freqs.weight [8]";
  expect(shapes({ rope_scaling: { rope_type: "llama3", factor: 8 } })).toContain(vector);
  expect(shapes({ rope_scaling: { type: "llama3", factor: 8 } })).toContain(vector);
  expect(shapes({ rope_parameters: { full_attention: { rope_type: "llama3" } } })).toContain(vector);
  expect(shapes({ rope_scaling: { type: "linear", factor: 4 } })).not.toContain(vector);
});

test("the head is the embedding when the config ties them or the class has none", () => {
  expect(shapes({ tie_word_embeddings: true })).not.toContain("output.weight [64, 100]");
  expect(shapes({ architectures: ["LlamaModel"] })).not.toContain("output.weight [64, 100]");
  expect(specOfModel("meta-llama/Llama-3.2-1B").tiedEmbeddings).toBe(true);
});

test("mixtral has experts in each layer", () => {
  expect(specOfModel("mistralai/Mixtral-8x7B-v0.1").layers[31]?.feedForward).toEqual({
    kind: "moe",
    experts: 8,
    expertsUsed: 2,
    expertWidth: 14_336,
    sharedWidth: 0,
    sharedGated: false,
  });
});

test("ministral 3 is llama.cpp's mistral3", () => {
  expect(specOfModel("mistralai/Ministral-3-3B-Instruct-2512").architecture).toBe("mistral3");
  expect(specOfModel("mistralai/Devstral-2-123B-Instruct-2512").architecture).toBe("mistral3");
  expect(specOfModel("mistralai/Mistral-7B-v0.3").architecture).toBe("llama");
});

describe("is unknown", () => {
  test.each([
    [{ num_local_experts: 8 }, 'model_type "llama" with num_local_experts: llama.cpp knows experts in "mixtral" only'],
    [{ draft_vocab_size: 32_000 }, "draft_vocab_size is set: an EAGLE-3 draft, not a model of its own"],
    [
      { head_dim: 1, rope_scaling: { rope_type: "llama3" } },
      "a head has 1 elements: an even number is wanted to rotate them",
    ],
    [{ num_key_value_heads: 3 }, "num_attention_heads (4) is not a multiple of num_key_value_heads (3)"],
    [
      { num_attention_heads: 3, num_key_value_heads: 3 },
      "hidden_size (64) is not a multiple of num_attention_heads (3) and no head size is given",
    ],
  ])("with %p", (change, reason) => {
    expect(specFromConfig({ ...TINY, ...change })).toMatchObject({
      status: "unknown",
      reason: `Cannot read config.json: ${reason}`,
    });
  });
});

test("a context that the config does not say is null", () => {
  const { max_position_embeddings: _, ...rest } = TINY;
  expect(specFromConfig(rest)).toMatchObject({ status: "ok", spec: { contextTrained: null } });
  expect(specFromConfig(configOf("meta-llama/Llama-3.2-1B"))).toMatchObject({ spec: { contextTrained: 131_072 } });
});

test("a list too long to be kept is not the same as none: heads of K and V are not taken as those of Q", () => {
  const header = headerOf("llama", {
    block_count: 1,
    embedding_length: 64,
    feed_forward_length: 96,
    "attention.head_count": 4,
    vocab_size: 100,
  });
  const key = "llama.attention.head_count_kv";
  expect(specFromGguf(header).status).toBe("ok");
  expect(specFromGguf({ ...header, arrayLengths: new Map([[key, 2000]]) })).toMatchObject({
    status: "unknown",
    reason: `Cannot read the GGUF metadata: ${key} is a list of 2000: a whole number from 1 to 65536 is wanted`,
    missing: [key],
  });
});
