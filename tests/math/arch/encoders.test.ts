/** Encoders: nothing cached, tables of positions and token types, norms behind; parameters worked by hand. */
import { describe, expect, test } from "bun:test";
import type { RawConfig } from "../../../src/math/arch/family.ts";
import { specFromConfig, specFromGguf } from "../../../src/math/arch/index.ts";
import type { ModelSpec, SpecResult } from "../../../src/math/model.ts";
import { countParameters } from "../../../src/math/parts/parameters.ts";
import { headerFromDump, readDump } from "../../fixtures/gguf-dumps.ts";
import { configOf, specOfModel } from "../../fixtures/models/read.ts";
import { shapesOf, tensorsOf } from "./cache-elements.ts";

function ok(result: SpecResult): ModelSpec {
  if (result.status !== "ok") throw new Error(result.reason);
  return result.spec;
}

function shapeOf(spec: ModelSpec, name: string): readonly number[] | null {
  return tensorsOf(spec).find((tensor) => tensor.name === name)?.shape ?? null;
}

/** Q, K, V, O with biases, two norms with biases, up and down with biases. */
function layerOf(width: number, inner: number): number {
  return 4 * (width * width + width) + 4 * width + 2 * width * inner + inner + width;
}

describe("bert", () => {
  test("bge-large has 334 092 288 parameters without the pooler, which the converter leaves out", () => {
    const outside = (30_522 + 512 + 2 + 2) * 1024;
    const { total } = countParameters(specOfModel("BAAI/bge-large-en"));
    expect(total).toBe(24 * layerOf(1024, 4096) + outside);
    expect(total).toBe(334_092_288);
  });

  test("caches nothing, turns nothing, has no head", () => {
    const spec = specOfModel("sentence-transformers/all-MiniLM-L6-v1");
    expect(spec.layers).toHaveLength(6);
    expect(spec.layers[0]?.mixers).toMatchObject([
      { kind: "full", cached: false, rotary: false, heads: 12, headDimK: 32 },
    ]);
    expect([spec.tiedEmbeddings, shapeOf(spec, "output.weight")]).toEqual([false, null]);
  });

  test("the norm of the embeddings is the first layer's, as llama.cpp places it", () => {
    const spec = specOfModel("BAAI/bge-large-en");
    expect(spec.layers[0]?.tensors[0]?.name).toBe("token_embd_norm.weight");
    expect(spec.layers[1]?.tensors.some(({ name }) => name.startsWith("token_embd"))).toBe(false);
  });

  test("roberta's first two positions are the padding's and are cut", () => {
    const spec = specOfModel("intfloat/multilingual-e5-large");
    expect([spec.contextTrained, shapeOf(spec, "position_embd.weight")]).toEqual([512, [1024, 512]]);
    expect(shapeOf(spec, "token_types.weight")).toEqual([1024, 1]);
  });

  test("a reranker has a classifier: roberta's with a dense layer, bert's without", () => {
    const labelled = { id2label: { 0: "LABEL_0" } };
    const spec = ok(specFromConfig({ ...configOf("BAAI/bge-reranker-v2-m3"), ...labelled }));
    expect(tensorsOf(spec)).toHaveLength(393); // as llama.cpp's loader counted a published file
    expect(shapeOf(spec, "cls.output.weight")).toEqual([1024, 1]);
    const plain = ok(
      specFromConfig({
        ...configOf("BAAI/bge-large-en"),
        ...labelled,
        architectures: ["BertForSequenceClassification"],
      }),
    );
    expect(shapeOf(plain, "cls.weight")).toBeNull();
    expect(shapeOf(plain, "cls.output.weight")).toEqual([1024, 1]);
  });

  test("distilbert spells its sizes otherwise and has no token types", () => {
    const config = {
      model_type: "distilbert",
      dim: 768,
      n_layers: 6,
      n_heads: 12,
      hidden_dim: 3072,
      vocab_size: 30_522,
    };
    const spec = ok(specFromConfig(config));
    // distilbert-base: 66.4 million
    expect(countParameters(spec).total).toBe(6 * layerOf(768, 3072) + (30_522 + 512 + 2) * 768);
    expect(shapeOf(spec, "token_types.weight")).toBeNull();
  });

  test.each([
    [{ position_embedding_type: "alibi" }, 'position_embedding_type is "alibi": absolute is wanted'],
    [{ model_type: "roberta", max_position_embeddings: 1 }, "max_position_embeddings is 1: no position is left"],
  ])("with %p is unknown", (change, why) => {
    expect(specFromConfig({ ...configOf("BAAI/bge-large-en"), ...change })).toMatchObject({
      status: "unknown",
      reason: expect.stringContaining(why),
    });
  });
});

describe("nomic-bert", () => {
  const V1: RawConfig = {
    model_type: "nomic_bert",
    n_embd: 768,
    n_layer: 12,
    n_head: 12,
    n_inner: 3072,
    n_positions: 8192,
    max_trained_positions: 2048,
    vocab_size: 30_528,
    type_vocab_size: 2,
    qkv_proj_bias: false,
    mlp_fc1_bias: false,
  };

  test("v1.5 is gated, turned and without biases: 112 tensors, as the loader counted", () => {
    const dump = readDump("nomic-bert-embed-v1.5-q8_0");
    const file = ok(specFromGguf(headerFromDump(dump)));
    expect(tensorsOf(file)).toHaveLength(112);
    expect(Number(dump.tensor_count)).toBe(112);
    const computed = ok(specFromConfig(V1));
    const vocabulary = (list: readonly string[]) => list.filter((line) => !line.startsWith("token_embd.weight"));
    expect(vocabulary(shapesOf(tensorsOf(computed)))).toEqual(vocabulary(shapesOf(tensorsOf(file))));
    expect([computed.contextTrained, file.contextTrained]).toEqual([2048, 2048]);
  });

  test("v2 has ungated experts in every second layer", () => {
    const spec = ok(
      specFromConfig({
        ...V1,
        num_experts: 8,
        moe_top_k: 2,
        moe_every_n_layers: 2,
        qkv_proj_bias: true,
        mlp_fc1_bias: true,
      }),
    );
    expect(spec.architecture).toBe("nomic-bert-moe");
    expect(spec.layers.map(({ feedForward }) => feedForward.kind).slice(0, 4)).toEqual([
      "dense",
      "moe",
      "dense",
      "moe",
    ]);
    expect(shapeOf(spec, "blk.1.ffn_up_exps.weight")).toEqual([768, 3072, 8]);
    expect(shapeOf(spec, "blk.1.ffn_gate_exps.weight")).toBeNull();
    expect(shapeOf(spec, "blk.0.ffn_gate.weight")).toBeNull();
  });
});
