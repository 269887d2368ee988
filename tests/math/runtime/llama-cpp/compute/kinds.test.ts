import { expect, test } from "bun:test";
import type { LayerSpec, ModelSpec } from "../../../../../src/math/model.ts";
import { layerKinds } from "../../../../../src/math/runtime/llama-cpp/compute/kinds.ts";
import { rowOf, specOf } from "./accounting.ts";

function llama(): ModelSpec {
  const spec = specOf(rowOf("Skywork/Skywork-Reward-Llama-3.1-8B-v0.2"));
  if (spec === null) throw new Error("No family reads it");
  return spec;
}

/** The model's first layers, changed. */
function withLayers(...change: readonly ((layer: LayerSpec) => LayerSpec)[]): ModelSpec {
  const spec = llama();
  return { ...spec, layers: change.map((one, i) => one(spec.layers[i] as LayerSpec)) };
}

const asItIs = (layer: LayerSpec): LayerSpec => layer;
const backwards = (layer: LayerSpec): LayerSpec => ({ ...layer, tensors: layer.tensors.toReversed() });
const typed = (layer: LayerSpec): LayerSpec => ({
  ...layer,
  tensors: layer.tensors.map((tensor) => ({ ...tensor, type: "Q8_0" })),
});
const withoutOne = (layer: LayerSpec): LayerSpec => ({ ...layer, tensors: layer.tensors.slice(1) });
const renamed = (layer: LayerSpec): LayerSpec => ({
  ...layer,
  tensors: layer.tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace("ffn_gate", "attn_gate") })),
});
const other = (layer: LayerSpec): LayerSpec => ({ ...layer, feedForward: { kind: "none" } });

test("layers with the same operations and tensors are alike, whatever the order and types of their tensors", () => {
  expect([...layerKinds(withLayers(asItIs, asItIs, backwards, typed))]).toEqual([0, 0, 0, 0]);
});

test("… others are not", () => {
  expect([...layerKinds(withLayers(asItIs, withoutOne, other, renamed, asItIs, other))]).toEqual([0, 1, 2, 3, 0, 2]);
});
