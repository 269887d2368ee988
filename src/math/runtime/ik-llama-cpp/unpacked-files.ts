import type { LayerSpec, ModelSpec } from "../../model.ts";

const kept = new WeakMap<ModelSpec, ModelSpec>();

/**
 * A DeepSeek file of the older conversion, whose attn_kv_b unpacks whole keys and values, is run with a latent cache all the
 * same: the ranks are read off its matrices.
 *   attn_kv_b: [kv_lora_rank, heads · (nope + v)], attn_kv_a_mqa: [E, kv_lora_rank + rope]
 * @source src/llama-load-tensors.cpp, llm_prepare_mla of src/llama.cpp@8337e4cd3861406fc04e0854b1409cd1b027fbc9
 */
export function withLatentRow(model: ModelSpec): ModelSpec {
  if (!model.layers.some((layer) => find(layer, "attn_kv_b") !== undefined)) return model;
  let changed = kept.get(model);
  if (changed === undefined) {
    changed = { ...model, layers: model.layers.map(latentLayer) };
    kept.set(model, changed);
  }
  return changed;
}

function find(layer: LayerSpec, name: string): readonly number[] | undefined {
  return layer.tensors.find((tensor) => tensor.name.endsWith(`.${name}.weight`))?.shape;
}

function latentLayer(layer: LayerSpec): LayerSpec {
  const rank = find(layer, "attn_kv_b")?.[0];
  const row = find(layer, "attn_kv_a_mqa")?.[1];
  if (rank === undefined || row === undefined) return layer;
  const ropeDim = row - rank;
  const mixers = layer.mixers.map((mixer): LayerSpec["mixers"][number] => {
    if (mixer.kind !== "full") return mixer;
    return {
      kind: "latent",
      heads: mixer.heads,
      kvLoraRank: rank,
      ropeDim,
      nopeDim: mixer.headDimK - ropeDim,
      valueDim: mixer.headDimV,
      qLoraRank: find(layer, "attn_q_b")?.[0] ?? null,
    };
  });
  return { ...layer, mixers };
}
