import { describe, expect, test } from "bun:test";
import { countParameters } from "../../../src/math/parts/parameters.ts";
import { LLAMA_3_8B, modelOf } from "./models.ts";

describe("parameters", () => {
  test("Llama-3-8B: 8,030,261,248, as published", () => {
    // embedding 4096 x 128256 = 525,336,576
    expect(countParameters(modelOf(LLAMA_3_8B))).toEqual({
      total: 8030261248,
      active: 8030261248 - 525336576,
      embedding: 525336576,
    });
  });

  test("a tied embedding is counted once, and used as the head", () => {
    expect(countParameters(modelOf({ ...LLAMA_3_8B, tied: true }))).toEqual({
      total: 8030261248 - 525336576,
      active: 8030261248 - 525336576,
      embedding: 525336576,
    });
  });

  test("Qwen3-30B-A3B: 30.5 billion, 8 of 128 experts at work", () => {
    const spec = modelOf({
      layers: 48,
      width: 2048,
      heads: 32,
      kvHeads: 4,
      headDim: 128,
      feedForward: 768,
      vocabulary: 151936,
      experts: 128,
      expertsUsed: 8,
      headNorms: true,
    });
    const { total, active, embedding } = countParameters(spec);
    // safetensors of the hub: 30,532,122,624
    expect(total).toBe(30532122624);
    expect(embedding).toBe(311164928);
    // experts: 48 x 128 x 3 x 2048 x 768 = 28,991,029,248, of which 120 of 128 rest
    expect(active).toBe(30532122624 - 311164928 - 27179089920);
  });

  test("MTP blocks are not counted", () => {
    const spec = modelOf({ ...LLAMA_3_8B, layers: 2 });
    const withBlock = { ...spec, mtpLayers: spec.layers.slice(1) };
    expect(countParameters(withBlock)).toEqual(countParameters(spec));
  });
});
