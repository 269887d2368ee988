import { describe, expect, test } from "bun:test";
import { specFromConfig } from "../../../src/math/arch/index.ts";
import { configOf, specOfModel } from "../../fixtures/models/read.ts";
import { tensorsOf } from "./cache-elements.ts";

function shapeOf(model: string, name: string): readonly number[] | null {
  return tensorsOf(specOfModel(model)).find((tensor) => tensor.name === name)?.shape ?? null;
}

test.each([
  ["deepseek-ai/DeepSeek-V2-Lite", 27, 1, 64, 6, 2 * 1408],
  ["deepseek-ai/DeepSeek-V3", 61, 3, 256, 8, 2048],
  ["moonshotai/Kimi-K2-Instruct", 61, 1, 384, 8, 2048],
])(
  "%s has %d layers, %d dense first, then %d experts, %d used, shared width %d",
  (model, layers, dense, experts, expertsUsed, sharedWidth) => {
    const spec = specOfModel(model);
    expect(spec.layers).toHaveLength(layers);
    expect(spec.layers.filter(({ feedForward }) => feedForward.kind === "dense").map(({ index }) => index)).toEqual(
      Array.from({ length: dense }, (_, i) => i),
    );
    expect(spec.layers[dense]?.feedForward).toMatchObject({
      kind: "moe",
      experts,
      expertsUsed,
      sharedWidth,
      sharedGated: false,
    });
    expect(spec.mtpLayers).toEqual([]);
  },
);

test("the query is compressed in v3 and whole in v2-lite", () => {
  expect(specOfModel("deepseek-ai/DeepSeek-V3").layers[0]?.mixers).toEqual([
    { kind: "latent", heads: 128, kvLoraRank: 512, ropeDim: 64, nopeDim: 128, valueDim: 128, qLoraRank: 1536 },
  ]);
  expect(shapeOf("deepseek-ai/DeepSeek-V3", "blk.0.attn_q_b.weight")).toEqual([1536, 128 * 192]);
  expect(specOfModel("deepseek-ai/DeepSeek-V2-Lite").layers[0]?.mixers).toMatchObject([{ qLoraRank: null }]);
  expect(shapeOf("deepseek-ai/DeepSeek-V2-Lite", "blk.0.attn_q.weight")).toEqual([2048, 16 * 192]);
  expect(shapeOf("deepseek-ai/DeepSeek-V2-Lite", "blk.0.attn_q_a.weight")).toBeNull();
});

test("the key-value matrix is split by head", () => {
  expect(shapeOf("deepseek-ai/DeepSeek-V3", "blk.0.attn_k_b.weight")).toEqual([128, 512, 128]);
  expect(shapeOf("deepseek-ai/DeepSeek-V3", "blk.0.attn_v_b.weight")).toEqual([512, 128, 128]);
});

test("experts are chosen with a bias from v3 on", () => {
  expect(shapeOf("deepseek-ai/DeepSeek-V3", "blk.3.exp_probs_b.bias")).toEqual([256]);
  expect(shapeOf("moonshotai/Kimi-K2-Instruct", "blk.1.exp_probs_b.bias")).toEqual([384]);
  expect(shapeOf("deepseek-ai/DeepSeek-V2-Lite", "blk.1.exp_probs_b.bias")).toBeNull();
});

describe("is unknown", () => {
  test("with dense layers between the experts", () => {
    expect(specFromConfig({ ...configOf("deepseek-ai/DeepSeek-V3"), moe_layer_freq: 2 })).toMatchObject({
      status: "unknown",
      reason:
        "Cannot read config.json: moe_layer_freq is not 1: llama.cpp wants experts in each layer after the dense ones",
    });
  });

  test("with more experts used than there are", () => {
    expect(specFromConfig({ ...configOf("deepseek-ai/DeepSeek-V3"), num_experts_per_tok: 257 })).toMatchObject({
      status: "unknown",
      reason: "Cannot read config.json: 257 experts are used of 256: no more than all is wanted",
    });
  });
});
