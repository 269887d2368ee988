/** What sets the families with experts apart; their whole lists are compared in index-accounting.test.ts. */
import { describe, expect, test } from "bun:test";
import { specFromConfig } from "../../../src/math/arch/index.ts";
import { countParameters } from "../../../src/math/parts/parameters.ts";
import { INVENTED } from "../../fixtures/models/invented.ts";
import { configOf, specOfModel } from "../../fixtures/models/read.ts";
import { tensorsOf } from "./cache-elements.ts";

function shapeOf(model: string, name: string): readonly number[] | null {
  return tensorsOf(specOfModel(model)).find((tensor) => tensor.name === name)?.shape ?? null;
}

function reasonFor(model: string, change: Readonly<Record<string, unknown>>): string {
  const result = specFromConfig({ ...configOf(model), ...change });
  return result.status === "unknown" ? result.reason : "known";
}

describe("parameters, worked by hand", () => {
  test("deepseek MoE: one dense layer, then 64 experts and two shared ones", () => {
    const attention = 4 * 2048 * 2048;
    const dense = 3 * 2048 * 10_944;
    const expert = 3 * 2048 * 1408;
    const router = 64 * 2048;
    const whole = 2 * 102_400 * 2048 + 28 * (attention + 2 * 2048) + dense + 27 * (66 * expert + router) + 2048;
    const model = specOfModel("deepseek-ai/deepseek-moe-16b-chat");
    expect(whole).toBe(16_375_728_128);
    expect(countParameters(model)).toMatchObject({
      total: whole,
      active: whole - 102_400 * 2048 - 27 * 58 * expert, // 58 of 64 rest, and one row of the embedding counts as none
    });
  });

  test("dbrx: 16 experts in each of 40 layers, layer norms without a bias", () => {
    const layer = 6144 * (6144 + 2 * 1024) + 6144 * 6144 + 16 * 6144 + 16 * 3 * 6144 * 10_752 + 2 * 6144;
    expect(countParameters(specOfModel("databricks/dbrx-instruct")).total).toBe(40 * layer + 2 * 100_352 * 6144 + 6144);
  });

  test("minimax m2.5: 256 experts, norms over all heads, a bias to choose by", () => {
    const norms = 2 * 3072 + 6144 + 1024;
    const layer = 3072 * (6144 + 2 * 1024) + 6144 * 3072 + 256 * 3072 + 256 + 256 * 3 * 3072 * 1536 + norms;
    expect(countParameters(specOfModel("MiniMaxAI/MiniMax-M2.5")).total).toBe(62 * layer + 2 * 200_064 * 3072 + 3072);
  });

  test("hunyuan A13B: 8 of 64 experts and a shared block as wide as one", () => {
    const expert = 3 * 4096 * 3072;
    const layer = 4096 * (4096 + 2 * 1024) + 4096 * 4096 + 64 * 4096 + 65 * expert + 2 * 4096 + 2 * 128;
    const { total, active } = countParameters(specOfModel("tencent/Hunyuan-A13B-Instruct"));
    expect(total).toBe(32 * layer + 128_167 * 4096 + 4096);
    expect(total - active).toBe(32 * 56 * expert);
  });
});

test("glm 4.5 has dense layers first, and norms on heads where the config says so", () => {
  const { layers } = specOfModel("zai-org/GLM-4.5");
  expect(layers.map(({ feedForward }) => feedForward.kind).slice(0, 4)).toEqual(["dense", "dense", "dense", "moe"]);
  expect(shapeOf("zai-org/GLM-4.5", "blk.3.attn_q_norm.weight")).toEqual([128]);
  expect(shapeOf("zai-org/GLM-4.5V", "blk.3.attn_q_norm.weight")).toBeNull();
  expect(shapeOf("zai-org/GLM-4.5", "blk.3.exp_probs_b.bias")).toEqual([160]);
  expect(shapeOf("zai-org/GLM-4.5", "blk.0.attn_q.bias")).toEqual([12_288]);
});

test("phi 3.5 MoE has biases on norms, projections and the head", () => {
  const model = "microsoft/Phi-3.5-MoE-instruct";
  expect(shapeOf(model, "blk.0.attn_norm.bias")).toEqual([4096]);
  expect(shapeOf(model, "blk.0.attn_v.bias")).toEqual([1024]);
  expect(shapeOf(model, "output.bias")).toEqual([32_064]);
  expect(shapeOf(model, "rope_factors_short.weight")).toEqual([64]);
});

test("olmoe and minimax m2 have one norm over all heads", () => {
  expect(shapeOf("allenai/OLMoE-1B-7B-0924", "blk.0.attn_k_norm.weight")).toEqual([2048]);
  expect(shapeOf("MiniMaxAI/MiniMax-M2.5", "blk.0.attn_q_norm.weight")).toEqual([6144]);
});

const ERNIE = {
  model_type: "ernie4_5_moe",
  vocab_size: 103_424,
  hidden_size: 2560,
  intermediate_size: 12_288,
  num_hidden_layers: 28,
  num_attention_heads: 20,
  num_key_value_heads: 4,
  moe_intermediate_size: 1536,
  moe_k: 6,
  moe_num_experts: 64,
  moe_num_shared_experts: 2,
  moe_layer_start_index: 1,
  moe_layer_interval: 1,
};

test("ernie 4.5 21B: 21.8 thousand million parameters, a tied head", () => {
  const result = specFromConfig(ERNIE);
  if (result.status !== "ok") throw new Error(result.reason);
  const attention = 2560 * (20 + 2 * 4) * 128 + 20 * 128 * 2560;
  const sparse = 64 * 2560 + 64 + 66 * 3 * 2560 * 1536;
  const whole = 103_424 * 2560 + 28 * (attention + 2 * 2560) + 3 * 2560 * 12_288 + 27 * sparse + 2560;
  expect(countParameters(result.spec).total).toBe(whole);
  expect(result.spec.tiedEmbeddings).toBe(true);
});

const LING = {
  model_type: "bailing_moe_v2",
  vocab_size: 157_184,
  hidden_size: 2048,
  intermediate_size: 5120,
  num_hidden_layers: 20,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  head_dim: 128,
  num_experts: 256,
  num_experts_per_tok: 8,
  num_shared_experts: 1,
  moe_intermediate_size: 512,
  moe_shared_expert_intermediate_size: 512,
  first_k_dense_replace: 1,
};

test("ling mini 2.0: fused Q, K and V, 16 thousand million parameters, 1.4 of them active", () => {
  const result = specFromConfig(LING);
  if (result.status !== "ok") throw new Error(result.reason);
  const attention = 2048 * (2048 + 2 * 512) + 2048 * 2048 + 2 * 128;
  const sparse = 256 * 2048 + 256 + 257 * 3 * 2048 * 512;
  const whole = 2 * 157_184 * 2048 + 20 * (attention + 2 * 2048) + 3 * 2048 * 5120 + 19 * sparse + 2048;
  const { total, active } = countParameters(result.spec);
  expect(total).toBe(whole);
  expect(total - active).toBe(157_184 * 2048 + 19 * 248 * 3 * 2048 * 512);
});

describe("what llama.cpp cannot load is unknown, with the field", () => {
  test.each([
    ["tencent/Hunyuan-A13B-Instruct", { use_cla: true }, "use_cla is true: llama.cpp gives each layer its own"],
    ["tencent/Hunyuan-A13B-Instruct", { moe_topk: [8, 4] }, "moe_topk differs from layer to layer"],
    ["zai-org/GLM-4.5", { moe_layer_freq: 2 }, "moe_layer_freq is not 1"],
    ["microsoft/Phi-3.5-MoE-instruct", { lm_head_bias: false }, "lm_head_bias is false: llama.cpp wants the biases"],
    ["MiniMaxAI/MiniMax-M2.5", { use_qk_norm: false }, "use_qk_norm and qk_norm_type do not give one norm"],
    ["databricks/dbrx-instruct", { ffn_config: {} }, "moe_num_experts is missing; moe_top_k is missing"],
  ] as const)("%s with %p", (model, change, clause) => {
    expect(reasonFor(model, change)).toContain(clause);
  });

  test("ernie with experts in every second layer, ling whose heads are not as wide as the model", () => {
    expect(specFromConfig({ ...ERNIE, moe_layer_interval: 2 })).toMatchObject({ status: "unknown" });
    expect(specFromConfig({ ...LING, head_dim: 64 })).toMatchObject({ status: "unknown" });
  });
});

describe("llama 4", () => {
  const MAVERICK = "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8";

  test("maverick: 400 thousand million parameters, experts in every second layer, one of 128 and a shared one", () => {
    const attention = 5120 * (5120 + 2 * 1024) + 5120 * 5120;
    const expert = 3 * 5120 * 8192;
    const sparse = 128 * 5120 + 129 * expert;
    const dense = 3 * 5120 * 16_384;
    const { total, active } = countParameters(specOfModel(MAVERICK));
    expect(total).toBe(48 * (attention + 2 * 5120) + 24 * (sparse + dense) + 2 * 202_048 * 5120 + 5120);
    expect(total - active).toBe(202_048 * 5120 + 24 * 127 * expert);
  });

  test("sees chunks in three layers of four, and turns nothing in the fourth", () => {
    const mixers = specOfModel(MAVERICK).layers.map((layer) => layer.mixers[0]);
    const chunked = { kind: "chunked", window: 8192, rotary: true };
    expect(mixers.slice(0, 4)).toMatchObject([chunked, chunked, chunked, { kind: "full", rotary: false }]);
  });

  test("scout scales its rotation, maverick does not", () => {
    expect(shapeOf("meta-llama/Llama-4-Scout-17B-16E-Instruct", "rope_freqs.weight")).toEqual([64]);
    expect(shapeOf(MAVERICK, "rope_freqs.weight")).toBeNull();
  });
});

test("mimo v2 has more KV heads and sinks where it has windows, and values smaller than keys", () => {
  const [first, second] = specOfModel("XiaomiMiMo/MiMo-V2-Flash").layers;
  expect(first?.mixers).toMatchObject([{ kind: "full", kvHeads: 4, headDimK: 192, headDimV: 128 }]);
  expect(second?.mixers).toMatchObject([{ kind: "sliding", window: 128, kvHeads: 8 }]);
  expect([first?.feedForward.kind, second?.feedForward.kind]).toEqual(["dense", "moe"]);
  expect(shapeOf("XiaomiMiMo/MiMo-V2-Flash", "blk.0.attn_sinks.weight")).toBeNull();
  expect(shapeOf("XiaomiMiMo/MiMo-V2-Flash", "blk.1.attn_sinks.weight")).toEqual([64]);
});

test("minicpm 3: four thousand million parameters, 40 heads of 96 and 64 cached whole", () => {
  const model = specOfModel("openbmb/MiniCPM3-4B");
  const query = 2560 * 768 + 768 + 768 * 40 * 96;
  const keys = 2560 * (256 + 32) + 256 + 256 * 40 * (64 + 64);
  const layer = query + keys + 40 * 64 * 2560 + 3 * 2560 * 6400 + 2 * 2560;
  expect(countParameters(model).total).toBe(62 * layer + 73_448 * 2560 + 2560);
  expect(model.layers[0]?.mixers).toMatchObject([{ kind: "full", kvHeads: 40, headDimK: 96, headDimV: 64 }]);
});

const TRINITY = {
  model_type: "afmoe",
  vocab_size: 200_192,
  hidden_size: 1024,
  intermediate_size: 3072,
  num_hidden_layers: 56,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  head_dim: 128,
  num_experts: 128,
  num_experts_per_tok: 8,
  num_shared_experts: 1,
  moe_intermediate_size: 256,
  num_dense_layers: 2,
  sliding_window: 2048,
  global_attn_every_n_layers: 4,
};

test("trinity nano: a gate beside attention, four norms, 6 thousand million parameters", () => {
  const result = specFromConfig(TRINITY);
  if (result.status !== "ok") throw new Error(result.reason);
  const attention = 1024 * (1024 + 2 * 256) + 2 * 1024 * 1024 + 2 * 128;
  const sparse = 128 * 1024 + 128 + 129 * 3 * 1024 * 256;
  const layers = 56 * (attention + 4 * 1024) + 2 * 3 * 1024 * 3072 + 54 * sparse;
  expect(countParameters(result.spec).total).toBe(layers + 2 * 200_192 * 1024 + 1024);
  expect(result.spec.layers[3]?.mixers).toMatchObject([{ kind: "full", rotary: false }]);
  expect(result.spec.layers[4]?.mixers).toMatchObject([{ kind: "sliding", window: 2048, rotary: true }]);
  expect(specFromConfig({ ...TRINITY, global_attn_every_n_layers: 8 })).toMatchObject({ status: "unknown" });
});

test("smallthinker sees everything in layers 0, 4, 8 …, unturned", () => {
  const config = {
    model_type: "smallthinker",
    vocab_size: 151_936,
    hidden_size: 2560,
    num_hidden_layers: 52,
    num_attention_heads: 28,
    num_key_value_heads: 4,
    head_dim: 128,
    moe_ffn_hidden_size: 768,
    moe_num_primary_experts: 64,
    moe_num_active_primary_experts: 6,
    sliding_window_size: 4096,
    sliding_window_layout: Array.from({ length: 52 }, (_, i) => (i % 4 === 0 ? 0 : 1)),
  };
  const result = specFromConfig(config);
  if (result.status !== "ok") throw new Error(result.reason);
  expect(result.spec.layers[4]?.mixers).toMatchObject([{ kind: "full", rotary: false }]);
  expect(result.spec.layers[5]?.mixers).toMatchObject([{ kind: "sliding", window: 4096, rotary: true }]);
  const upsideDown = { ...config, sliding_window_layout: config.sliding_window_layout.map((kind) => 1 - kind) };
  expect(specFromConfig(upsideDown)).toMatchObject({ status: "unknown" });
});

describe("sparse attention", () => {
  /** As tests/math/arch/deepseek.test.ts has it for v3: 671 026 419 200 without indexers. */
  const V3 = 671_026_419_200;

  test("deepseek v3.2 is v3 and an indexer in each of 61 layers", () => {
    const indexer = 1536 * 64 * 128 + 7168 * 128 + 2 * 128 + 7168 * 64;
    expect(indexer).toBe(13_959_424);
    const model = specOfModel("deepseek-ai/DeepSeek-V3.2");
    expect(model.architecture).toBe("deepseek32");
    expect(countParameters(model).total).toBe(V3 + 61 * indexer);
    expect(model.layers.every(({ sideCaches }) => sideCaches[0]?.elementsPerCell === 128)).toBe(true);
  });

  test("glm 5 has an indexer in each layer, glm 5.2 in the first three and every fourth", () => {
    const choosing = (model: string) =>
      specOfModel(model).layers.flatMap(({ index, sideCaches }) => (sideCaches.length > 0 ? [index] : []));
    expect(choosing("zai-org/GLM-5")).toHaveLength(78);
    expect(choosing("zai-org/GLM-5.2").slice(0, 6)).toEqual([0, 1, 2, 6, 10, 14]);
    expect(shapeOf("zai-org/GLM-5.2", "blk.3.indexer.proj.weight")).toBeNull();
  });

  test("an indexer's kind that was never seen is named", () => {
    const types = Array.from({ length: 78 }, () => "half");
    expect(reasonFor("zai-org/GLM-5.2", { indexer_types: types })).toContain('indexer_types holds "half"');
  });

  test("minimax m3 chooses 16 blocks of 128 cells where it has experts", () => {
    const model = specOfModel("MiniMaxAI/MiniMax-M3");
    const chooses = { name: "indexer keys", elementsPerCell: 128, heads: 4, chosen: 16, blockCells: 128 };
    expect(model.layers[3]?.sideCaches).toEqual([chooses]);
    expect(model.layers[2]?.sideCaches).toEqual([]);
    const attention = 6144 * (8192 + 2 * 512) + 8192 * 6144 + 2 * 128 + 2 * 6144;
    const sparse = 128 * 6144 + 128 + 129 * 3 * 6144 * 3072 + 6144 * (512 + 128) + 2 * 128;
    const whole = 60 * attention + 3 * 3 * 6144 * 12_288 + 57 * sparse + 2 * 200_064 * 6144 + 6144;
    expect(countParameters(model).total).toBe(whole);
    const mixed = Array.from({ length: 60 }, (_, i) => (i === 1 ? 1 : i < 4 ? 0 : 1));
    expect(reasonFor("MiniMaxAI/MiniMax-M3", { moe_layer_freq: mixed })).toContain(
      "a dense layer after one with experts",
    );
  });
});

describe("invented, since none of the published configs at hand is of the family", () => {
  const invented = (name: string) => INVENTED.find(({ model }) => model === `invented/${name}`)?.config ?? {};

  test("step 3.5 has more heads where it has a window, and a gate of one number for each", () => {
    const result = specFromConfig(invented("step-3.5"));
    if (result.status !== "ok") throw new Error(result.reason);
    const [first, second, , fourth] = result.spec.layers;
    expect(first?.mixers).toMatchObject([{ kind: "full", heads: 24, kvHeads: 8 }]);
    expect(second?.mixers).toMatchObject([{ kind: "sliding", window: 512, heads: 32, kvHeads: 8 }]);
    expect([second?.feedForward.kind, fourth?.feedForward.kind]).toEqual(["dense", "moe"]);
    const gate = second?.tensors.find(({ name }) => name === "blk.1.attn_gate.weight");
    expect(gate?.shape).toEqual([1536, 32]);
    const scattered = { ...invented("step-3.5"), moe_layers_enum: "3,5,7" };
    expect(specFromConfig(scattered)).toMatchObject({ status: "unknown" });
  });

  test("k-exaone turns Q and K where it has a window only", () => {
    const result = specFromConfig(invented("k-exaone"));
    if (result.status !== "ok") throw new Error(result.reason);
    const mixers = result.spec.layers.map((layer) => layer.mixers[0]);
    expect(mixers[2]).toMatchObject({ kind: "sliding", window: 128, rotary: true });
    expect(mixers[3]).toMatchObject({ kind: "full", rotary: false });
    expect(result.spec.layers[1]?.feedForward).toMatchObject({ experts: 24, expertsUsed: 6, sharedWidth: 512 });
  });
});

describe("minimax m1", () => {
  const M1 = "MiniMaxAI/MiniMax-M1-80k";

  test("is as large as its index says: 2 bytes a parameter, 4 for the routers", () => {
    const softmax = 6144 * (8192 + 2 * 1024) + 8192 * 6144;
    const lightning = 6144 * 3 * 8192 + 8192 + 2 * 6144 * 8192;
    const router = 32 * 6144;
    const sparse = router + 32 * 3 * 6144 * 9216;
    const whole = 10 * softmax + 70 * lightning + 80 * (sparse + 2 * 6144) + 2 * 200_064 * 6144 + 6144;
    expect(countParameters(specOfModel(M1)).total).toBe(whole);
    expect(2 * whole + 2 * 80 * router).toBe(912_210_767_872);
  });

  test("keeps one matrix a head in seven layers of eight, and nothing of a convolution", () => {
    const mixers = specOfModel(M1).layers.map((layer) => layer.mixers[0]);
    const state = { kind: "state", algorithm: "lightning", stateElements: 64 * 128 * 128, convElements: 0 };
    expect(mixers[6]).toMatchObject(state);
    expect(mixers[7]).toMatchObject({ kind: "full", kvHeads: 8 });
    expect(reasonFor(M1, { attn_type_list: Array.from({ length: 80 }, () => 1) })).toContain("attn_type_list is not");
  });
});
