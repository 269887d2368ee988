/** rwkv 6 and 7: states and parameters worked by hand. */
import { describe, expect, test } from "bun:test";
import type { RawConfig } from "../../../src/math/arch/family.ts";
import { specFromConfig, specFromGguf } from "../../../src/math/arch/index.ts";
import type { ModelSpec, SpecResult } from "../../../src/math/model.ts";
import { countParameters } from "../../../src/math/parts/parameters.ts";
import { headerFromDump, readDump } from "../../fixtures/gguf-dumps.ts";
import { specOfModel } from "../../fixtures/models/read.ts";
import { cachedElementsPerToken, stateElements, tensorsOf } from "./cache-elements.ts";

function ok(result: SpecResult): ModelSpec {
  if (result.status !== "ok") throw new Error(result.reason);
  return result.spec;
}

describe("rwkv 6", () => {
  test("world-1b6 keeps two tokens and a matrix of 64 by 2048 in each of 24 layers", () => {
    const spec = specOfModel("RWKV/rwkv-6-world-1b6");
    expect(stateElements(spec)).toBe(24 * (2 * 2048 + 64 * 2048));
    expect(cachedElementsPerToken(spec)).toBe(0);
    expect([spec.layers[0]?.feedForward, spec.contextTrained]).toMatchObject([{ width: 7168 }, 2 ** 20]);
  });

  test("world-1b6 has 1.6 thousand million parameters", () => {
    const E = 2048;
    // Six matrices of the state's half, its small spaces, nine vectors (six of interpolation, decay, norm's two), 32 x 64.
    const mix = 5 * E * E + E * 160 * 2 + E * 64 * 2 + (6 + 1 + 2) * E + 64 * 32;
    const channel = 2 * E * 7168 + E * E + 2 * E;
    const layer = mix + channel + 4 * E;
    expect(countParameters(specOfModel("RWKV/rwkv-6-world-1b6")).total).toBe(24 * layer + 2 * 65_536 * E + 4 * E);
  });

  // Finch's file is older: its five interpolations of each layer are not in one tensor yet.
  test.each([
    ["rwkv6-finch-7b-q4_k_m", 902, 4 * 32],
    ["rwkv6qwen2-qwerky-72b-q4_k_m", 1603, 0],
  ])("%s has %d tensors, as the loader counted", (name, count, more) => {
    const dump = readDump(name);
    expect(Number(dump.tensor_count)).toBe(count);
    expect(tensorsOf(ok(specFromGguf(headerFromDump(dump))))).toHaveLength(count - more);
  });

  test("qwerky-72b shares keys and values among heads, and keeps one token", () => {
    const spec = ok(specFromGguf(headerFromDump(readDump("rwkv6qwen2-qwerky-72b-q4_k_m"))));
    const key = tensorsOf(spec).find(({ name }) => name === "blk.0.time_mix_key.weight");
    expect(key?.shape).toEqual([8192, 8 * 128]);
    expect(stateElements(spec)).toBe(80 * (8192 + 128 * 8192));
  });

  test("is unknown when heads do not divide the width", () => {
    const config = { model_type: "rwkv6", hidden_size: 2000, num_hidden_layers: 4, vocab_size: 1000, head_size: 64 };
    expect(specFromConfig(config)).toMatchObject({
      status: "unknown",
      reason: "Cannot read config.json: a width of 2000 is not a multiple of the head size (64)",
    });
  });
});

describe("rwkv 7", () => {
  const WORLD: RawConfig = {
    model_type: "rwkv7",
    hidden_size: 2048,
    num_hidden_layers: 24,
    vocab_size: 65_536,
    head_dim: 64,
    intermediate_size: 8192,
    decay_low_rank_dim: 96,
    a_low_rank_dim: 96,
    v_low_rank_dim: 64,
    gate_low_rank_dim: 256,
  };

  test("1.5B has 1.53 thousand million parameters, those the first layer never reads counted", () => {
    const E = 2048;
    const low = (value: number): number => 3 * E + 2 * E * (96 + 96 + value) + 2 * E * 256;
    // w, a, v, g; interpolations, k_k, k_a, r_k; four matrices; norms of the state, of both halves; the channel's.
    const layer = (value: number): number => low(value) + 6 * E + 3 * E + 4 * E * E + 6 * E + E + 2 * E * 8192;
    const { total } = countParameters(ok(specFromConfig(WORLD)));
    expect(total).toBe(layer(96) + 23 * layer(64) + 2 * 65_536 * E + 4 * E);
  });

  test("ranks that the config leaves out follow from the width, as the converter has it", () => {
    const { decay_low_rank_dim: _, gate_low_rank_dim: __, ...rest } = WORLD;
    const tensors = new Map(tensorsOf(ok(specFromConfig(rest))).map(({ name, shape }) => [name, shape]));
    // √2048 x 1.8 / 32 = 2.55 → 3 x 32; 2048^0.8 x 0.6 / 32 = 8.36 → 8 x 32
    expect(tensors.get("blk.1.time_mix_w1.weight")).toEqual([2048, 96]);
    expect(tensors.get("blk.1.time_mix_g1.weight")).toEqual([2048, 256]);
  });

  test("in a transformer it keeps one token and has no gate where the config says so", () => {
    const config = {
      model_type: "rwkv_hybrid",
      hidden_size: 3584,
      num_hidden_layers: 28,
      vocab_size: 152_064,
      head_size: 64,
      intermediate_size: 18_944,
      wkv_has_gate: false,
      wkv_version: 7,
    };
    const spec = ok(specFromConfig(config));
    expect(spec.architecture).toBe("arwkv7");
    expect(stateElements(spec)).toBe(28 * (3584 + 64 * 3584));
    expect(tensorsOf(spec).some(({ name }) => name === "blk.0.time_mix_g1.weight")).toBe(false);
    expect(specFromConfig({ ...config, wkv_version: 6 })).toMatchObject({ status: "unknown" });
  });
});
