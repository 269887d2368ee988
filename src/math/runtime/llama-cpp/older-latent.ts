import type { AttentionMixer, LayerSpec, ModelSpec, TensorSpec } from "../../model.ts";
import type { LlamaCppRules } from "./rules.ts";

const kept = new WeakMap<ModelSpec, ModelSpec>();

/**
 * The model as a build has it. Before b5137 there is no latent cache: a file holds attn_kv_b, which unpacks the latent row
 * into whole keys and values of every head, and those are cached.
 *   K: heads · (nope + rope) elements a cell, V: heads · value
 */
export function modelAtBuild(model: ModelSpec, rules: LlamaCppRules): ModelSpec {
  if (rules.latent !== "whole heads" || !model.layers.some(hasLatent)) return model;
  let older = kept.get(model);
  if (older === undefined) {
    older = { ...model, layers: model.layers.map(unpacked), mtpLayers: model.mtpLayers.map(unpacked) };
    kept.set(model, older);
  }
  return older;
}

function hasLatent(layer: LayerSpec): boolean {
  return layer.mixers.some((mixer) => mixer.kind === "latent");
}

function unpacked(layer: LayerSpec): LayerSpec {
  const mixers = layer.mixers.map((mixer): LayerSpec["mixers"][number] => {
    if (mixer.kind !== "latent") return mixer;
    return {
      kind: "full",
      heads: mixer.heads,
      kvHeads: mixer.heads,
      headDimK: mixer.nopeDim + mixer.ropeDim,
      headDimV: mixer.valueDim,
      window: null,
      fusedQkv: false,
      scaledQuery: false,
      gated: false,
      rotary: true,
      cached: true,
    } satisfies AttentionMixer;
  });
  return { ...layer, mixers, tensors: oneMatrix(layer) };
}

/** attn_k_b and attn_v_b are the two halves of attn_kv_b: rows of kv_lora_rank, heads · (nope + value) of them. */
function oneMatrix(layer: LayerSpec): readonly TensorSpec[] {
  const [k, v] = ["attn_k_b.weight", "attn_v_b.weight"].map((name) =>
    layer.tensors.find((tensor) => tensor.name.endsWith(`.${name}`)),
  );
  if (k === undefined || v === undefined) return layer.tensors;
  const [nope = 1, rank = 1, heads = 1] = k.shape;
  const [, value = 1] = v.shape;
  const both: TensorSpec = {
    ...v,
    name: k.name.replace("attn_k_b", "attn_kv_b"),
    shape: [rank, heads * (nope + value)],
    at: null,
  };
  return layer.tensors.flatMap((tensor) => (tensor === k ? [both] : tensor === v ? [] : [tensor]));
}
