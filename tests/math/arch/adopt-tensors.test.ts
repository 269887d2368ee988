import { describe, expect, test } from "bun:test";
import type { GgufHeader, GgufTensor, MetadataValue } from "../../../src/math/arch/family.ts";
import { specFromGguf } from "../../../src/math/arch/index.ts";
import { tensorsOf } from "./cache-elements.ts";

/** A llama of two layers, width 64, 4 heads, 2 of them for K and V, feed-forward 96, 100 words, head tied. */
const METADATA: readonly (readonly [string, MetadataValue])[] = [
  ["llama.block_count", 2],
  ["llama.context_length", 512],
  ["llama.embedding_length", 64],
  ["llama.feed_forward_length", 96],
  ["llama.attention.head_count", 4],
  ["llama.attention.head_count_kv", 2],
  ["llama.vocab_size", 100],
];

const LAYER: readonly (readonly [string, readonly number[]])[] = [
  ["attn_norm.weight", [64]],
  ["attn_q.weight", [64, 64]],
  ["attn_k.weight", [64, 32]],
  ["attn_v.weight", [64, 32]],
  ["attn_output.weight", [64, 64]],
  ["ffn_norm.weight", [64]],
  ["ffn_gate.weight", [64, 96]],
  ["ffn_up.weight", [64, 96]],
  ["ffn_down.weight", [96, 64]],
];

function tensor(name: string, shape: readonly number[], type = "F16"): GgufTensor {
  return { name, shape, type, shard: 1, offset: name.length };
}

const TENSORS: readonly GgufTensor[] = [
  tensor("token_embd.weight", [64, 100]),
  tensor("output_norm.weight", [64]),
  ...[0, 1].flatMap((layer) => LAYER.map(([name, shape]) => tensor(`blk.${layer}.${name}`, shape))),
];

function header(tensors: readonly GgufTensor[], change: Readonly<Record<string, MetadataValue>> = {}): GgufHeader {
  const metadata = new Map([...METADATA, ...Object.entries(change)]);
  return { architecture: "llama", metadata, arrayLengths: new Map(), tensors };
}

function replaced(name: string, by: GgufTensor | null): readonly GgufTensor[] {
  return TENSORS.flatMap((found) => (found.name !== name ? [found] : by === null ? [] : [by]));
}

test("takes the file's tensors with type and place, grouped by layer", () => {
  const result = specFromGguf(header(TENSORS));
  if (result.status !== "ok") throw new Error(result.reason);
  const { layers, outside, tiedEmbeddings } = result.spec;
  expect(outside.map(({ name }) => name)).toEqual(["token_embd.weight", "output_norm.weight"]);
  expect(layers.map(({ tensors }) => tensors.length)).toEqual([9, 9]);
  expect(layers[1]?.tensors[1]).toEqual({
    name: "blk.1.attn_q.weight",
    shape: [64, 64],
    role: "attention",
    type: "F16",
    at: { shard: 1, offset: 19 },
  });
  expect(tiedEmbeddings).toBe(true);
});

test("sees a head, biases, fused matrices and scales in the list", () => {
  const fused = TENSORS.filter(({ name }) => !/attn_[qkv]\.weight$/.test(name));
  const tensors = [
    ...fused,
    tensor("output.weight", [64, 100]),
    ...[0, 1].flatMap((layer) => [
      tensor(`blk.${layer}.attn_qkv.weight`, [64, 128]),
      tensor(`blk.${layer}.attn_qkv.bias`, [128]),
      tensor(`blk.${layer}.attn_qkv.scale`, [1], "F32"),
    ]),
  ];
  const result = specFromGguf(header(tensors));
  if (result.status !== "ok") throw new Error(result.reason);
  expect(result.spec.tiedEmbeddings).toBe(false);
  expect(result.spec.layers[0]?.mixers).toMatchObject([{ fusedQkv: true }]);
  expect(result.warnings).toEqual([]);
  expect(tensorsOf(result.spec)).toHaveLength(tensors.length);
});

describe("refuses what llama.cpp refuses", () => {
  test("a missing tensor", () => {
    expect(specFromGguf(header(replaced("blk.1.ffn_down.weight", null)))).toEqual({
      status: "unknown",
      architecture: "llama",
      reason: 'Cannot take the GGUF file as llama: the file lacks "blk.1.ffn_down.weight"',
      missing: ["blk.1.ffn_down.weight"],
    });
  });

  test("a shape that contradicts the metadata", () => {
    expect(
      specFromGguf(header(replaced("blk.0.attn_k.weight", tensor("blk.0.attn_k.weight", [64, 64])))),
    ).toMatchObject({
      status: "unknown",
      reason:
        'Cannot take the GGUF file as llama: tensor "blk.0.attn_k.weight" has the shape [64, 64]: [64, 32] follows from the metadata',
    });
  });

  test("a tensor beyond the last layer", () => {
    expect(specFromGguf(header([...TENSORS, tensor("blk.2.attn_norm.weight", [64])]))).toMatchObject({
      status: "unknown",
      reason:
        'Cannot take the GGUF file as llama: tensor "blk.2.attn_norm.weight" is beyond the 2 blocks of the metadata',
    });
  });

  test("a tensor that is there twice", () => {
    expect(specFromGguf(header([...TENSORS, tensor("output_norm.weight", [64])]))).toMatchObject({
      status: "unknown",
      reason: 'Cannot take the GGUF file as llama: tensor "output_norm.weight" is in the file twice',
    });
  });

  test("a type that is not ggml's", () => {
    const odd = tensor("blk.0.attn_q.weight", [64, 64], "type 137");
    expect(specFromGguf(header(replaced("blk.0.attn_q.weight", odd)))).toMatchObject({
      status: "unknown",
      reason:
        'Cannot take the GGUF file as llama: tensor "blk.0.attn_q.weight" is stored as type 137, which is not a type of ggml\'s',
    });
  });
});

test("takes one number or one for each layer", () => {
  const wide = [tensor("blk.1.ffn_gate.weight", [64, 32]), tensor("blk.1.ffn_up.weight", [64, 32])];
  const tensors = [
    ...TENSORS.filter(({ name }) => !/^blk\.1\.ffn_(gate|up|down)/.test(name)),
    ...wide,
    tensor("blk.1.ffn_down.weight", [32, 64]),
  ];
  const result = specFromGguf(header(tensors, { "llama.feed_forward_length": [96, 32] }));
  if (result.status !== "ok") throw new Error(result.reason);
  expect(result.spec.layers.map(({ feedForward }) => feedForward)).toMatchObject([{ width: 96 }, { width: 32 }]);
});

test("keeps multi-token-prediction blocks apart", () => {
  const mtp = [
    ...LAYER.map(([name, shape]) => tensor(`blk.2.${name}`, shape)),
    tensor("blk.2.nextn.eh_proj.weight", [128, 64]),
    tensor("blk.2.nextn.enorm.weight", [64]),
    tensor("blk.2.nextn.hnorm.weight", [64]),
    tensor("blk.2.nextn.shared_head_norm.weight", [64]),
  ];
  const more = { "llama.block_count": 3, "llama.nextn_predict_layers": 1 };
  const result = specFromGguf(header([...TENSORS, ...mtp], more));
  if (result.status !== "ok") throw new Error(result.reason);
  expect(result.spec.layers).toHaveLength(2);
  expect(result.spec.mtpLayers.map(({ index, tensors }) => [index, tensors.length])).toEqual([[2, 13]]);
  expect(result.warnings).toEqual([]);
});
