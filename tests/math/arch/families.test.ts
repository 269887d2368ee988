/** What sets the smaller families apart; their whole lists are compared in index-accounting.test.ts. */
import { describe, expect, test } from "bun:test";
import { specFromConfig } from "../../../src/math/arch/index.ts";
import { configOf, specOfModel } from "../../fixtures/models/read.ts";
import { tensorsOf } from "./cache-elements.ts";

function shapeOf(model: string, name: string): readonly number[] | null {
  return tensorsOf(specOfModel(model)).find((tensor) => tensor.name === name)?.shape ?? null;
}

test("qwen 2 has biases on Q, K and V, qwen 3 norms on the heads instead", () => {
  expect(shapeOf("Qwen/Qwen2-7B", "blk.0.attn_q.bias")).toEqual([3584]);
  expect(shapeOf("Qwen/Qwen2-7B", "blk.0.attn_output.bias")).toBeNull();
  expect(shapeOf("Qwen/Qwen3-0.6B", "blk.0.attn_q.bias")).toBeNull();
  expect(shapeOf("Qwen/Qwen3-0.6B", "blk.0.attn_q_norm.weight")).toEqual([128]);
});

test("qwen 2 MoE has a gated shared expert, qwen 3 MoE none", () => {
  expect(specOfModel("Qwen/Qwen1.5-MoE-A2.7B-Chat").layers[0]?.feedForward).toMatchObject({
    experts: 60,
    expertsUsed: 4,
    expertWidth: 1408,
    sharedWidth: 5632,
    sharedGated: true,
  });
  expect(specOfModel("Qwen/Qwen3-30B-A3B").layers[0]?.feedForward).toMatchObject({
    sharedWidth: 0,
    sharedGated: false,
  });
});

test.each([{ decoder_sparse_step: 2 }, { mlp_only_layers: [0] }])("qwen MoE with %p is unknown", (change) => {
  expect(specFromConfig({ ...configOf("Qwen/Qwen3-30B-A3B"), ...change })).toMatchObject({
    status: "unknown",
    reason:
      "Cannot read config.json: decoder_sparse_step and mlp_only_layers leave dense layers: llama.cpp wants experts in each layer",
  });
});

describe("phi 3", () => {
  test("has fused QKV and fused gate-up", () => {
    expect(specOfModel("microsoft/phi-4").layers[0]).toMatchObject({
      mixers: [{ fusedQkv: true, heads: 40, kvHeads: 10 }],
      feedForward: { fusedGateUp: true, width: 17_920 },
    });
    expect(shapeOf("microsoft/phi-4", "blk.0.attn_qkv.weight")).toEqual([5120, 40 * 128 + 2 * 10 * 128]);
    expect(shapeOf("microsoft/phi-4", "blk.0.ffn_up.weight")).toEqual([5120, 2 * 17_920]);
  });

  test("has two lists of rope factors where it scales, of half the rotated part of a head", () => {
    expect(shapeOf("microsoft/Phi-3-mini-128k-instruct", "rope_factors_long.weight")).toEqual([48]);
    expect(shapeOf("microsoft/Phi-4-mini-instruct", "rope_factors_short.weight")).toEqual([48]); // 0.75 x 128 / 2
    expect(shapeOf("microsoft/phi-4", "rope_factors_long.weight")).toBeNull();
  });
});

test("glm 4 has norms after each block as well", () => {
  for (const name of ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"]) {
    expect(shapeOf("THUDM/GLM-4.1V-9B-Thinking", `blk.39.${name}.weight`)).toEqual([4096]);
  }
});

describe("command-r", () => {
  test("has one norm in a layer and no head of its own", () => {
    const spec = specOfModel("CohereForAI/aya-23-8B");
    expect(spec.layers[0]?.tensors.filter(({ role }) => role === "norm")).toHaveLength(1);
    expect(spec.tiedEmbeddings).toBe(true);
  });

  test("has a norm vector for each head where the config says so", () => {
    const result = specFromConfig({ ...configOf("CohereForAI/aya-23-8B"), use_qk_norm: true });
    if (result.status !== "ok") throw new Error(result.reason);
    const norm = tensorsOf(result.spec).find(({ name }) => name === "blk.0.attn_k_norm.weight");
    expect(norm?.shape).toEqual([128, 8]);
  });
});

test("gpt-oss has biases on everything and a sink for each head", () => {
  const model = "openai/gpt-oss-20b";
  expect(shapeOf(model, "blk.0.attn_sinks.weight")).toEqual([64]);
  expect(shapeOf(model, "blk.0.ffn_down_exps.bias")).toEqual([2880, 32]);
  expect(shapeOf(model, "blk.0.ffn_gate_inp.bias")).toEqual([32]);
  expect(shapeOf(model, "blk.0.attn_output.bias")).toEqual([2880]);
});

describe("falcon-h1", () => {
  test("has attention and mamba 2 in each layer", () => {
    const spec = specOfModel("tiiuae/Falcon-H1-0.5B-Instruct");
    expect(spec.layers[35]?.mixers).toMatchObject([
      { kind: "full", heads: 8, kvHeads: 2, headDimK: 64 },
      {
        kind: "state",
        algorithm: "mamba2",
        convElements: 5376, // 3 x (1536 + 2 x 128)
        stateElements: 196_608, // 128 x 1536
        heads: 24,
        groups: 1,
      },
    ]);
    expect(shapeOf("tiiuae/Falcon-H1-0.5B-Instruct", "blk.0.ffn_norm")).toEqual([1024]);
  });

  test("is unknown when mamba's width is not its heads'", () => {
    expect(specFromConfig({ ...configOf("tiiuae/Falcon-H1-0.5B-Instruct"), mamba_d_ssm: 1024 })).toMatchObject({
      status: "unknown",
      reason: "Cannot read config.json: mamba_d_ssm is 1024: mamba_n_heads x mamba_d_head (1536) is wanted",
    });
  });
});

describe("mamba 2", () => {
  const CODESTRAL = {
    model_type: "mamba2",
    hidden_size: 4096,
    num_hidden_layers: 64,
    vocab_size: 32_770,
    head_dim: 64,
    state_size: 128,
    n_groups: 8,
    conv_kernel: 4,
  };

  test("keeps state only, with the vocabulary padded and the context that the converter writes", () => {
    const result = specFromConfig(CODESTRAL);
    if (result.status !== "ok") throw new Error(result.reason);
    const { spec } = result;
    expect(spec.layers[0]).toMatchObject({
      feedForward: { kind: "none" },
      mixers: [
        {
          algorithm: "mamba2",
          convElements: 30_720, // 3 x (8192 + 2 x 8 x 128)
          stateElements: 1_048_576, // 128 x 8192
          heads: 128,
        },
      ],
    });
    expect([spec.vocabularySize, spec.contextTrained]).toEqual([32_784, 1_048_576]);
    expect(spec.layers[0]?.tensors.find(({ name }) => name === "blk.0.ssm_in.weight")?.shape).toEqual([4096, 18_560]);
  });

  test("names what a cut-down config leaves out", () => {
    const { n_groups: _, state_size: __, ...rest } = CODESTRAL;
    expect(specFromConfig(rest)).toMatchObject({ status: "unknown", missing: ["state_size", "n_groups"] });
  });
});
