/** Recurrent families and hybrids: states, layers and parameters worked by hand; their whole lists are compared in index-accounting.test.ts. */
import { describe, expect, test } from "bun:test";
import { specFromConfig } from "../../../src/math/arch/index.ts";
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
