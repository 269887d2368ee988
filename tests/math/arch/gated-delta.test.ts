import { describe, expect, test } from "bun:test";
import { specFromConfig, specFromGguf } from "../../../src/math/arch/index.ts";
import type { TensorSpec } from "../../../src/math/model.ts";
import { configOf, specOfModel } from "../../fixtures/models/read.ts";
import { layersWith, tensorsOf } from "./cache-elements.ts";
import { headerOf } from "./gguf-header.ts";

describe("qwen 3.5", () => {
  test("has softmax attention in every fourth layer, with a gate as wide as the query", () => {
    const spec = specOfModel("Qwen/Qwen3.5-0.8B");
    expect(layersWith(spec, "full")).toEqual([3, 7, 11, 15, 19, 23]);
    expect(spec.layers[3]?.mixers).toMatchObject([{ heads: 8, kvHeads: 2, headDimK: 256, gated: true }]);
    const query = tensorsOf(spec).find(({ name }) => name === "blk.3.attn_q.weight");
    expect(query?.shape).toEqual([1024, 2 * 8 * 256]);
  });

  test("has one state for each value head, and the past of the convolution", () => {
    const spec = specOfModel("Qwen/Qwen3.5-27B");
    expect(spec.layers[0]?.mixers).toEqual([
      {
        kind: "state",
        algorithm: "gated-delta",
        convElements: 30_720, // 3 x (48 x 128 + 2 x 16 x 128)
        stateElements: 786_432, // 128 x 128 x 48
        innerSize: 6144,
        stateSize: 128,
        heads: 48,
        groups: 16,
        convKernel: 4,
        stepNormed: false,
      },
    ]);
  });

  test("is dense or has experts with a gated shared one", () => {
    expect(specOfModel("Qwen/Qwen3.5-27B").layers[0]?.feedForward).toMatchObject({ kind: "dense", width: 17_408 });
    expect(specOfModel("Qwen/Qwen3.5-122B-A10B").layers[0]?.feedForward).toEqual({
      kind: "moe",
      experts: 256,
      expertsUsed: 8,
      expertWidth: 1024,
      sharedWidth: 1024,
      sharedGated: true,
    });
  });

  test.each([
    ["attn_output_gate", false, "attn_output_gate is false: llama.cpp knows this architecture with the gate only"],
    ["linear_value_head_dim", 64, "linear_key_head_dim (128) and linear_value_head_dim (64) differ: llama.cpp has one"],
    ["full_attention_interval", 3, "layer_types differ from what full_attention_interval (3) gives"],
  ])("is unknown with %s = %p, which llama.cpp has no place for", (key, value, reason) => {
    const config = configOf("Qwen/Qwen3.5-27B");
    const text = { ...(config.text_config as object), [key]: value };
    expect(specFromConfig({ ...config, text_config: text })).toMatchObject({
      status: "unknown",
      reason: `Cannot read config.json: ${reason}`,
    });
  });
});

const TINY = {
  block_count: 4,
  embedding_length: 64,
  feed_forward_length: 96,
  "attention.head_count": 4,
  "attention.head_count_kv": 2,
  "attention.key_length": 16,
  "attention.value_length": 16,
  "ssm.conv_kernel": 4,
  "ssm.inner_size": 32,
  "ssm.state_size": 8,
  "ssm.time_step_rank": 4,
  "ssm.group_count": 2,
  vocab_size: 100,
};

describe("GGUF metadata", () => {
  test("follows the interval, 4 where there is none", () => {
    const plain = specFromGguf(headerOf("qwen35", TINY));
    const every2 = specFromGguf(headerOf("qwen35", { ...TINY, full_attention_interval: 2 }));
    expect(plain.status === "ok" && layersWith(plain.spec, "full")).toEqual([3]);
    expect(every2.status === "ok" && layersWith(every2.spec, "full")).toEqual([1, 3]);
  });

  test("follows a list before the interval", () => {
    const list = { ...TINY, "attention.recurrent_layers": [false, true, true, false] };
    const result = specFromGguf(headerOf("qwen35", list));
    expect(result.status === "ok" && layersWith(result.spec, "full")).toEqual([0, 3]);
  });

  test("wants an inner size of state size times heads", () => {
    expect(specFromGguf(headerOf("qwen35", { ...TINY, "ssm.inner_size": 64 }))).toMatchObject({
      status: "unknown",
      reason: "Cannot read the GGUF metadata: ssm.inner_size is 64: state_size x time_step_rank (32) is wanted",
    });
  });

  test("keeps a multi-token-prediction block apart, always with softmax attention", () => {
    const result = specFromGguf(headerOf("qwen35", { ...TINY, block_count: 5, nextn_predict_layers: 1 }));
    if (result.status !== "ok") throw new Error(result.reason);
    expect(result.spec.layers).toHaveLength(4);
    expect(result.spec.mtpLayers).toMatchObject([{ index: 4, mixers: [{ kind: "full", gated: true }] }]);
    const names = result.spec.mtpLayers[0]?.tensors.map(({ name }) => name) ?? [];
    expect(names).toContain("blk.4.nextn.eh_proj.weight");
  });

  test("has no such block where the file announces one and holds none", () => {
    const trunk = specFromGguf(headerOf("qwen35", TINY));
    if (trunk.status !== "ok") throw new Error(trunk.reason);
    const announced = { ...TINY, block_count: 5, nextn_predict_layers: 1 };
    const head = { name: "output.weight", shape: [64, 100] };
    const result = specFromGguf(
      headerOf("qwen35", announced, [
        ...tensorsOf({ ...trunk.spec, outside: trunk.spec.outside.filter(({ name }) => name !== head.name) }),
        head,
      ]),
    );
    expect(result).toMatchObject({ status: "ok", spec: { mtpLayers: [] }, warnings: [] });
  });
});

describe("qwen3-next", () => {
  test("takes older files, with query, key, value and gate in one matrix", () => {
    const fields = {
      ...TINY,
      expert_count: 4,
      expert_used_count: 2,
      expert_feed_forward_length: 16,
      expert_shared_feed_forward_length: 16,
    };
    const computed = specFromGguf(headerOf("qwen3next", fields));
    if (computed.status !== "ok") throw new Error(computed.reason);
    const older = tensorsOf(computed.spec).flatMap((tensor): readonly Pick<TensorSpec, "name" | "shape">[] => {
      if (!/^blk\.[012]\./.test(tensor.name)) return [tensor];
      // 2 x 2 x 8 for query and key, 32 for the value, 32 for the gate
      if (tensor.name.endsWith("attn_qkv.weight"))
        return [{ name: tensor.name.replace("attn_qkv", "ssm_in"), shape: [64, 96] }];
      return tensor.name.endsWith("attn_gate.weight") ? [] : [tensor];
    });
    expect(specFromGguf(headerOf("qwen3next", fields, older))).toMatchObject({ status: "ok", warnings: [] });
  });
});
