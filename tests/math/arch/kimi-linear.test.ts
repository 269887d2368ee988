/** kimi linear: states, layers and parameters worked by hand. */
import { describe, expect, test } from "bun:test";
import type { RawConfig } from "../../../src/math/arch/family.ts";
import { specFromConfig } from "../../../src/math/arch/index.ts";
import type { ModelSpec } from "../../../src/math/model.ts";
import { countParameters } from "../../../src/math/parts/parameters.ts";
import { configOf } from "../../fixtures/models/read.ts";
import { stateElements } from "./cache-elements.ts";

/** Kimi-Linear-48B-A3B's geometry, by its report. */
const CONFIG = {
  model_type: "kimi_linear",
  hidden_size: 2304,
  num_hidden_layers: 27,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  vocab_size: 163_840,
  model_max_length: 1_048_576,
  intermediate_size: 9216,
  first_k_dense_replace: 1,
  moe_intermediate_size: 1024,
  num_experts: 256,
  num_experts_per_token: 8,
  num_shared_experts: 1,
  q_lora_rank: null,
  kv_lora_rank: 512,
  qk_nope_head_dim: 128,
  qk_rope_head_dim: 64,
  v_head_dim: 128,
  linear_attn_config: {
    full_attn_layers: [4, 8, 12, 16, 20, 24, 27],
    head_dim: 128,
    num_heads: 32,
    short_conv_kernel_size: 4,
  },
};

function known(config: RawConfig): ModelSpec {
  const result = specFromConfig(config);
  if (result.status !== "ok") throw new Error(result.reason);
  return result.spec;
}

describe("kimi linear", () => {
  test("keeps three convolutions' past and a matrix per head in 20 layers, and latents in 7", () => {
    const spec = known(CONFIG);
    expect(stateElements(spec)).toBe(20 * (3 * 3 * 4096 + 128 * 4096));
    const latent = spec.layers.filter(({ mixers }) => mixers.some(({ kind }) => kind === "latent"));
    expect(latent.map(({ index }) => index)).toEqual([3, 7, 11, 15, 19, 23, 26]);
    expect(latent[0]?.mixers).toMatchObject([{ kvLoraRank: 512, ropeDim: 64, unturned: true }]);
    expect(spec.layers.map(({ feedForward }) => feedForward.kind).filter((kind) => kind !== "moe")).toEqual(["dense"]);
  });

  test("has 49 thousand million parameters, 3 of them active", () => {
    const [E, inner] = [2304, 4096];
    // Q, K, V and output, their convolutions, decay and gate through 128, beta, A, the time step and a norm.
    const delta = 4 * E * inner + 3 * 4 * inner + 2 * (E * 128 + 128 * inner) + E * 32 + 32 + inner + 128;
    const latent = E * 32 * 192 + E * (512 + 64) + 512 + 2 * 32 * 128 * 512 + inner * E;
    const expert = 3 * E * 1024;
    const routed = (used: number) => (used + 1) * expert + E * 256 + 256;
    const rest = 20 * delta + 7 * latent + 27 * 2 * E + 3 * E * 9216 + 2 * 163_840 * E + E;
    expect(countParameters(known(CONFIG))).toMatchObject({
      total: rest + 26 * routed(256),
      active: rest + 26 * routed(8) - 163_840 * E, // one row of the input's embedding is read
    });
  });

  test.each([
    [{ q_lora_rank: 1536 }, /q_lora_rank is set/],
    [{ linear_attn_config: undefined }, /which layers attend is not known/],
    [{ linear_attn_config: { head_dim: 128, short_conv_kernel_size: 4 } }, /full_attn_layers is missing/],
  ])("with %p is unknown", (change, reason) => {
    expect(specFromConfig({ ...CONFIG, ...change })).toMatchObject({
      status: "unknown",
      reason: expect.stringMatching(reason),
    });
  });

  test("is not Kimi K3, of the same model_type", () => {
    expect(specFromConfig(configOf("moonshotai/Kimi-K3"))).toMatchObject({
      status: "unknown",
      reason: expect.stringMatching(/attn_res_block_size is set: Kimi K3/),
    });
  });
});
