/** Recurrent families and hybrids: states, layers and parameters worked by hand; their whole lists are compared in index-accounting.test.ts. */
import { describe, expect, test } from "bun:test";
import type { RawConfig } from "../../../src/math/arch/family.ts";
import { specFromConfig } from "../../../src/math/arch/index.ts";
import type { ModelSpec } from "../../../src/math/model.ts";
import { countParameters } from "../../../src/math/parts/parameters.ts";
import { configOf, specOfModel } from "../../fixtures/models/read.ts";
import { cachedElementsPerToken, layersWith, stateElements } from "./cache-elements.ts";

describe("mamba 1", () => {
  const MODEL = "tiiuae/falcon-mamba-7b";

  test("keeps 3 columns of the convolution and 16 of the state for each of 8192 channels, in 64 layers", () => {
    const spec = specOfModel(MODEL);
    expect(stateElements(spec)).toBe(64 * (3 * 8192 + 16 * 8192));
    expect(cachedElementsPerToken(spec)).toBe(0);
    expect(spec.layers[0]?.mixers).toMatchObject([{ algorithm: "mamba1", stepNormed: true }]);
  });

  test("falcon-mamba-7b has 7.27 thousand million parameters", () => {
    // A layer: 4096 (norm) + 4096·16384 (in) + 8192·(4 + 1) (convolution) + 8192·(256 + 32) (x) + 256·8192 + 8192 (time step)
    // + 16·8192 (A) + 8192 (D) + 8192·4096 (out); twice the embedding of 65024, one norm.
    const layer = 4096 + 67_108_864 + 40_960 + 2_359_296 + 2_105_344 + 131_072 + 8192 + 33_554_432;
    expect(countParameters(specOfModel(MODEL)).total).toBe(64 * layer + 2 * 65_024 * 4096 + 4096);
  });

  test("pads the vocabulary to a multiple of 8, and takes a rank of a sixteenth of the width", () => {
    const config = {
      model_type: "mamba",
      hidden_size: 768,
      num_hidden_layers: 24,
      vocab_size: 50_277,
      time_step_rank: "auto",
    };
    const result = specFromConfig(config);
    if (result.status !== "ok") throw new Error(result.reason);
    expect(result.spec.vocabularySize).toBe(50_280);
    const shape = result.spec.layers[0]?.tensors.find(({ name }) => name === "blk.0.ssm_dt.weight")?.shape;
    expect(shape).toEqual([48, 1536]);
  });

  test.each([
    [{ intermediate_size: 4096 }, "an inner width of 4096: llama.cpp wants twice the embedding's (8192)"],
    [{ use_bias: true }, "use_bias is true: llama.cpp has no bias on ssm_in and ssm_out"],
  ])("with %p is unknown", (change, why) => {
    expect(specFromConfig({ ...configOf(MODEL), ...change })).toMatchObject({
      status: "unknown",
      reason: `Cannot read config.json: ${why}`,
    });
  });
});

describe("jamba", () => {
  const MODEL = "ai21labs/AI21-Jamba-1.5-Mini";

  test("attends in every eighth layer, without positions, and has experts in every second", () => {
    const spec = specOfModel(MODEL);
    expect(layersWith(spec, "full")).toEqual([4, 12, 20, 28]);
    expect(spec.layers[4]?.mixers).toMatchObject([{ kvHeads: 8, rotary: false }]);
    expect(spec.layers.filter(({ feedForward }) => feedForward.kind === "moe").map(({ index }) => index)).toEqual(
      Array.from({ length: 16 }, (_, i) => 2 * i + 1),
    );
    expect(cachedElementsPerToken(spec)).toBe(4 * 8 * 256);
    expect(stateElements(spec)).toBe(28 * 19 * 8192);
  });

  test("1.5 Mini has 51.6 thousand million parameters, 12.1 of them active", () => {
    // mamba: 4096·16384 + 5·8192 + 8192·288 + 257·8192 + 17·8192 + 8192·4096 + 256 + 16 + 16; attention: 2·4096² + 2·4096·1024
    const mamba = 67_108_864 + 40_960 + 2_359_296 + 2_105_344 + 139_264 + 33_554_432 + 288;
    const attention = 2 * 4096 * 4096 + 2 * 4096 * 1024;
    const expert = 3 * 4096 * 14_336;
    const router = 4096 * 16;
    const around = 28 * mamba + 4 * attention + 32 * 2 * 4096 + 16 * router + 16 * expert + 4096 + 65_536 * 4096;
    const { total, active } = countParameters(specOfModel(MODEL));
    expect(total).toBe(around + 16 * 16 * expert + 65_536 * 4096);
    expect(active).toBe(around + 16 * 2 * expert);
  });
});

describe("nemotron-h", () => {
  const NANO = "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16";

  test("Nano: 23 layers of mamba 2, 23 of experts, 6 that attend without positions", () => {
    const spec = specOfModel(NANO);
    expect(layersWith(spec, "state")).toHaveLength(23);
    expect(layersWith(spec, "full")).toEqual([5, 12, 19, 26, 33, 42]);
    expect(spec.layers[1]).toMatchObject({
      mixers: [],
      feedForward: { kind: "moe", expertsUsed: 6, sharedWidth: 3712 },
    });
    expect(cachedElementsPerToken(spec)).toBe(6 * 2 * 256);
    // (3 columns x (4096 + 2 x 8 x 128) channels + 128 x 4096) in each of 23
    expect(stateElements(spec)).toBe(23 * (3 * 6144 + 128 * 4096));
  });

  test("Nano has 31.6 thousand million parameters, 3.2 of them active", () => {
    // mamba 2: in 2688·(4096 + 6144 + 64), convolution 6144·(4 + 1), step, A and D 3·64, norm 4096, out 4096·2688
    const mamba = 2688 * 10_304 + 6144 * 5 + 3 * 64 + 4096 + 4096 * 2688;
    const attention = 2688 * 4096 + 2 * 2688 * 256 + 4096 * 2688;
    const expert = 2 * 2688 * 1856;
    const beside = 2688 * 128 + 128 + 2 * 2688 * 3712;
    const rest = 23 * mamba + 6 * attention + 23 * beside + 53 * 2688 + 131_072 * 2688;
    const { total, active } = countParameters(specOfModel(NANO));
    expect(total).toBe(rest + 23 * 128 * expert + 131_072 * 2688);
    expect(active).toBe(rest + 23 * 6 * expert);
  });

  test("Super's and Ultra's experts work in a latent space, the shared one does not", () => {
    const shapes = new Map(
      specOfModel("nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16").layers[1]?.tensors.map(({ name, shape }) => [
        name,
        shape,
      ]),
    );
    expect(shapes.get("blk.1.ffn_latent_down.weight")).toEqual([8192, 2048]);
    expect(shapes.get("blk.1.ffn_up_exps.weight")).toEqual([2048, 5120, 512]);
    expect(shapes.get("blk.1.ffn_up_shexp.weight")).toEqual([8192, 10_240]);
    expect(specOfModel("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8").layers).toHaveLength(88);
  });

  test.each([
    [{ hybrid_override_pattern: "ME?" }, 'a layer is "?": no kind that nemotron-h with experts has'],
    [{ hybrid_override_pattern: "M-" }, 'a layer is "-": no kind that nemotron-h with experts has'],
    [{ hybrid_override_pattern: "ME*" }, "3 layers are listed: num_hidden_layers is 52"],
    [
      { hybrid_override_pattern: null },
      "hybrid_override_pattern and layers_block_type are missing: layers' kinds are not known",
    ],
  ])("with %p is unknown", (change, why) => {
    const result = specFromConfig({ ...configOf(NANO), ...change });
    expect(result).toMatchObject({ status: "unknown", reason: expect.stringContaining(why) });
  });
});

describe("granite hybrid", () => {
  // granite-4.0-h-tiny's geometry.
  const TINY = {
    model_type: "granitemoehybrid",
    hidden_size: 1536,
    intermediate_size: 512,
    shared_intermediate_size: 1024,
    num_hidden_layers: 40,
    num_attention_heads: 12,
    num_key_value_heads: 4,
    num_local_experts: 64,
    num_experts_per_tok: 6,
    vocab_size: 100_352,
    tie_word_embeddings: true,
    max_position_embeddings: 131_072,
    layer_types: Array.from({ length: 40 }, (_, i) => ([5, 15, 25, 35].includes(i) ? "attention" : "mamba")),
    mamba_n_heads: 48,
    mamba_d_head: 64,
    mamba_d_state: 128,
    mamba_n_groups: 1,
    mamba_d_conv: 4,
    mamba_expand: 2,
  };

  test("h-tiny attends in 4 of 40 layers, without positions, and has 6.9 thousand million parameters", () => {
    const spec = specOf(TINY);
    expect(layersWith(spec, "full")).toEqual([5, 15, 25, 35]);
    expect(spec.layers[5]?.mixers).toMatchObject([{ rotary: false, kvHeads: 4, headDimK: 128 }]);
    expect(stateElements(spec)).toBe(36 * (3 * (3072 + 2 * 128) + 128 * 3072));
    expect(spec.contextTrained).toBe(2 ** 20);
    // mamba: in 1536·(3072 + 3328 + 48), convolution 3328·5, step, A and D 3·48, norm 3072, out 3072·1536
    const mamba = 1536 * 6448 + 3328 * 5 + 3 * 48 + 3072 + 3072 * 1536;
    const attention = 2 * 1536 * 1536 + 2 * 1536 * 512;
    const block = 1536 * 64 + 64 * 3 * 1536 * 512 + 3 * 1536 * 1024;
    const rest = 36 * mamba + 4 * attention + 40 * block + 81 * 1536;
    expect(countParameters(spec).total).toBe(rest + 100_352 * 1536);
  });

  test("a config whose layers all attend is granite, with positions", () => {
    const spec = specOf({ ...TINY, layer_types: TINY.layer_types.map(() => "attention") });
    expect([spec.architecture, spec.contextTrained]).toEqual(["granitemoe", 131_072]);
    expect(spec.layers[0]?.mixers).toMatchObject([{ rotary: true }]);
    const dense = { num_local_experts: 0, num_experts_per_tok: 0, shared_intermediate_size: 512 };
    expect(specOf({ ...TINY, ...dense, layer_types: TINY.layer_types.map(() => "attention") }).architecture).toBe(
      "granite",
    );
  });

  test("bamba has its indices, and positions", () => {
    const { layer_types: _, num_local_experts: __, shared_intermediate_size: ___, ...rest } = TINY;
    const spec = specOf({ ...rest, model_type: "bamba", attn_layer_indices: [9, 18, 27] });
    expect(layersWith(spec, "full")).toEqual([9, 18, 27]);
    expect(spec.layers[9]?.mixers).toMatchObject([{ rotary: true }]);
    expect(spec.layers[0]?.feedForward).toMatchObject({ kind: "dense", width: 512 });
  });

  test.each([
    [{ layer_types: ["conv"] }, 'layer_types has "conv": attention or mamba is wanted'],
    [{ mamba_expand: 3 }, "an inner width of 4608: llama.cpp wants twice the embedding's (3072)"],
    [
      { num_local_experts: 0 },
      "intermediate_size is 512 and shared_intermediate_size 1024: without experts they are to be one",
    ],
  ])("with %p is unknown", (change, why) => {
    const result = specFromConfig({ ...TINY, ...change });
    expect(result).toMatchObject({ status: "unknown", reason: expect.stringContaining(why) });
  });
});

describe("lfm2", () => {
  const MODEL = "LiquidAI/LFM2.5-VL-1.6B";

  test("keeps two columns of 2048 in each of ten convolutions, and attends in six layers", () => {
    const spec = specOfModel(MODEL);
    expect(layersWith(spec, "full")).toEqual([2, 5, 8, 10, 12, 14]);
    expect(stateElements(spec)).toBe(10 * 2 * 2048);
    expect(cachedElementsPerToken(spec)).toBe(6 * 8 * 128);
    expect(spec.layers[0]?.feedForward).toMatchObject({ width: 8192 }); // two thirds of 12288
  });

  test("LFM2.5-1.2B has 1 170 340 608 parameters", () => {
    const convolution = 2048 * 3 * 2048 + 3 * 2048 + 2048 * 2048;
    const attention = 2 * 2048 * 2048 + 2 * 2048 * 512 + 2 * 64;
    const around = 2 * 2048 + 3 * 2048 * 8192;
    const { total } = countParameters(specOfModel(MODEL));
    expect(total).toBe(10 * convolution + 6 * attention + 16 * around + 2048 + 65_536 * 2048);
    expect(total).toBe(1_170_340_608);
  });

  test("lfm2 MoE has dense layers first, then experts chosen with a bias", () => {
    const spec = specOf({
      ...textOf(MODEL),
      model_type: "lfm2_moe",
      intermediate_size: 7168,
      num_dense_layers: 2,
      num_experts: 32,
      num_experts_per_tok: 4,
      moe_intermediate_size: 1792,
    });
    expect(spec.architecture).toBe("lfm2moe");
    expect(spec.layers[1]?.feedForward).toMatchObject({ kind: "dense", width: 7168 });
    expect(spec.layers[2]?.feedForward).toMatchObject({ kind: "moe", experts: 32, expertWidth: 1792 });
    expect(spec.layers[2]?.tensors.some(({ name }) => name === "blk.2.exp_probs_b.bias")).toBe(true);
  });

  test("is unknown without its layers' kinds", () => {
    const { layer_types: _, ...rest } = textOf(MODEL);
    expect(specFromConfig(rest)).toMatchObject({
      status: "unknown",
      reason: expect.stringContaining("layer_types and full_attn_idxs are missing"),
    });
  });
});

describe("plamo 2", () => {
  // PLaMo-2-8B's geometry.
  const EIGHT = {
    model_type: "plamo2",
    hidden_size: 4096,
    num_hidden_layers: 32,
    intermediate_size: 16_384,
    num_attention_heads: 32,
    num_key_value_heads: 4,
    vocab_size: 100_000,
    max_position_embeddings: 10_485_760,
    mamba_num_heads: 64,
    mamba_d_state: 64,
    mamba_d_conv: 4,
    mamba_step: 2,
    hidden_size_per_head: 128,
  };

  test("attends in every second layer, and keeps 64 x 8192 and three columns in the others", () => {
    const spec = specOf(EIGHT);
    expect(layersWith(spec, "full")).toEqual(Array.from({ length: 16 }, (_, i) => 2 * i + 1));
    expect(stateElements(spec)).toBe(16 * (3 * 8192 + 64 * 8192));
    // in 4096·16384, convolution 4·8192, x 8192·(256 + 128), step 256·64 + 64, A and D 128, norms 384, out 8192·4096
    const mamba = 4096 * 16_384 + 4 * 8192 + 8192 * 384 + 256 * 64 + 64 + 128 + 384 + 8192 * 4096;
    const attention = 4096 * (4096 + 2 * 512) + 128 * 36 + 4096 * 4096;
    const around = 4 * 4096 + 3 * 4096 * 16_384;
    expect(countParameters(spec).total).toBe(16 * mamba + 16 * attention + 32 * around + 4096 + 100_000 * 4096);
  });
});

function specOf(config: RawConfig): ModelSpec {
  const result = specFromConfig(config);
  if (result.status !== "ok") throw new Error(result.reason);
  return result.spec;
}

function textOf(model: string): RawConfig {
  const { text_config: text } = configOf(model);
  if (typeof text !== "object" || text === null) throw new Error(`${model} has no text_config`);
  return { ...text };
}
