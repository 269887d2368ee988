import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { LayerSpec, ModelSpec } from "../../../../src/math/model.ts";
import { type StoredTensor, tableOf } from "../../../../src/math/parts/formats/checkpoint-table.ts";
import { specOfModel } from "../../../fixtures/models/read.ts";

const QWEN = specOfModel("Qwen/Qwen2.5-0.5B");
const [FIRST] = QWEN.layers;
if (FIRST === undefined) throw new Error("a model without layers");
const LAYER: LayerSpec = FIRST;

function modelOf(layers: number, more: Partial<ModelSpec> = {}): ModelSpec {
  const layer = (index: number): LayerSpec => ({ ...LAYER, index });
  return { ...QWEN, layers: Array.from({ length: layers }, (_, i) => layer(i)), tiedEmbeddings: false, ...more };
}

const stored = (...tensors: readonly (readonly [string, number])[]): readonly StoredTensor[] =>
  tensors.map(([name, bytes]) => ({ name, bytes }));

const NAMES = new Map([
  ["llama", "model.layers.N.mlp.up_proj.weight"],
  ["gpt-2", "h.N.mlp.c_fc.weight"],
  ["bert", "bert.encoder.layer.N.output.dense.weight"],
  ["rwkv", "rwkv.blocks.N.ffn.key.weight"],
  ["mamba", "backbone.layers.N.mixer.in_proj.weight"],
  ["chatglm", "transformer.encoder.layers.N.mlp.dense_h_to_4h.weight"],
  ["inside a model with towers", "model.language_model.layers.N.mlp.up_proj.weight"],
]);

describe("tables of tensors by layer", () => {
  test.each([...NAMES])("%s", (_, name) => {
    const table = tableOf(stored([name.replace("N", "0"), 10], [name.replace("N", "1"), 20]), modelOf(2));
    expect(table).toMatchObject({ layers: [10, 20], experts: [0, 0], outside: [], aside: [], total: 30 });
  });

  test("experts, and not the shared ones", () => {
    const table = tableOf(
      stored(
        ["model.layers.0.mlp.experts.3.up_proj.weight", 100],
        ["model.layers.0.mlp.experts.gate_up_proj_blocks", 50],
        ["model.layers.0.mlp.switch_mlp.up_proj.scales", 7],
        ["model.layers.0.mlp.shared_experts.up_proj.weight", 1000],
        ["model.layers.0.mlp.gate.weight", 5],
      ),
      modelOf(1),
    );
    expect(table).toMatchObject({ layers: [1162], experts: [157] });
  });

  test("embedding, norm and head by llama.cpp's names, scales with them; what is unknown by its own", () => {
    const table = tableOf(
      stored(
        ["model.layers.0.mlp.up_proj.weight", 1],
        ["model.embed_tokens.weight", 100],
        ["model.embed_tokens.scales", 10],
        ["model.norm.weight", 4],
        ["lm_head.weight", 200],
        ["model.odd", 3],
      ),
      modelOf(1),
    );
    expect(new Map(table?.outside.map(({ name, bytes }) => [name, bytes]))).toEqual(
      new Map([
        ["token_embd.weight", 110],
        ["output_norm.weight", 4],
        ["output.weight", 200],
        ["model.odd", 3],
      ]),
    );
  });

  test("towers, projectors and multi-token prediction stand aside", () => {
    const table = tableOf(
      stored(
        ["model.layers.0.mlp.up_proj.weight", 1],
        ["visual.blocks.0.attn.qkv.weight", 30],
        ["model.vision_tower.encoder.layers.0.fc1.weight", 40],
        ["multi_modal_projector.linear_1.weight", 5],
        ["audio_tower.layers.0.fc1.weight", 6],
        ["mtp.layers.0.mlp.up_proj.weight", 7],
        // the block after the last layer, as DeepSeek has it
        ["model.layers.1.eh_proj.weight", 8],
      ),
      modelOf(1),
    );
    expect(table?.layers).toEqual([1]);
    expect(new Map(table?.aside.map(({ name, bytes }) => [name, bytes]))).toEqual(
      new Map([
        ["vision tower", 70],
        ["projector", 5],
        ["audio tower", 6],
        ["multi-token prediction", 15],
      ]),
    );
  });

  test("a tied head that is stored again, and tables that are made anew, are not loaded", () => {
    const table = tableOf(
      stored(
        ["model.layers.0.mlp.up_proj.weight", 1],
        ["model.layers.0.self_attn.rotary_emb.inv_freq", 256],
        ["model.embed_tokens.weight", 100],
        ["lm_head.weight", 100],
      ),
      modelOf(1, { tiedEmbeddings: true }),
    );
    expect(table).toMatchObject({
      layers: [1],
      outside: [{ name: "token_embd.weight", bytes: 100 }],
      aside: [{ name: "a second copy of the tied head", bytes: 100 }],
      total: 457,
    });
  });

  test("no table where a layer has nothing", () => {
    expect(tableOf(stored(["model.layers.0.mlp.up_proj.weight", 1]), modelOf(2))).toBeNull();
    expect(tableOf([], modelOf(1))).toBeNull();
  });

  test("every byte is somewhere", () => {
    const name = fc.oneof(
      fc.string(),
      fc.constantFrom("lm_head.weight", "model.embed_tokens.weight", "visual.patch_embed.weight", "mtp.norm.weight"),
      fc.nat(5).map((n) => `model.layers.${n}.mlp.experts.0.w1.weight`),
    );
    fc.assert(
      fc.property(fc.array(fc.record({ name, bytes: fc.nat(1e9) })), (tensors) => {
        const all = [...tensors, ...stored(["h.0.a", 1], ["h.1.a", 1])].filter((one) => !one.name.endsWith("bias"));
        const table = tableOf(all, modelOf(2));
        const sum = (parts: readonly { readonly bytes: number }[]) => parts.reduce((n, { bytes }) => n + bytes, 0);
        const layers = (table?.layers ?? []).reduce((a, b) => a + b, 0);
        expect(layers + sum(table?.outside ?? []) + sum(table?.aside ?? [])).toBe(sum(all));
        expect(table?.total).toBe(sum(all));
      }),
    );
  });
});
