/**
 * The indexer of sparse attention beside latent attention (deepseek v3.2, glm 5): it chooses the tokens that are attended to,
 * by keys that it caches for itself.
 * @source llama.cpp src/models/deepseek32.cpp, glm-dsa.cpp, src/llama-kv-cache-dsa.cpp@v0.5.0
 */
import type { SideCache, TensorSpec } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import { type Fields, LIMITS, quote } from "./fields.ts";
import { blockTensor } from "./tensors.ts";

export interface Indexer {
  readonly heads: number;
  readonly keyDim: number;
  readonly chosen: number;
  /** Layers that choose; the others take what the last of these chose. */
  readonly own: (layer: number) => boolean;
}

/** glm 5.2 and later have the context that llama.cpp knows them by, where the metadata do not list the layers. */
const SHARING_CONTEXT = 1_048_576;

/** glm 5.2's: the first three choose, then every fourth. @source llama.cpp src/models/glm-dsa.cpp@v0.5.0 */
function everyFourth(layer: number): boolean {
  return layer < 2 || (layer - 2) % 4 === 0;
}

export function indexerFromConfig(fields: Fields, decoder: Decoder): Indexer {
  const types = fields.optionalList("indexer_types");
  const odd = types?.find((type) => type !== "full" && type !== "shared");
  if (odd !== undefined) fields.refuse(`indexer_types holds ${quote(String(odd))}: only full and shared are known`);
  if (types !== null && types.length < decoder.layerCount) {
    fields.refuse(`indexer_types has ${types.length} entries: one for each of ${decoder.layerCount} layers is wanted`);
  }
  return {
    heads: fields.int("index_n_heads", LIMITS.heads),
    keyDim: fields.int("index_head_dim", LIMITS.headDim),
    chosen: fields.int("index_topk", LIMITS.context),
    own: types === null ? () => true : (layer) => layer >= decoder.layerCount || types[layer] === "full",
  };
}

export function indexerFromGguf(fields: Fields, decoder: Decoder): Indexer {
  return {
    heads: fields.int("attention.indexer.head_count", LIMITS.heads),
    keyDim: fields.int("attention.indexer.key_length", LIMITS.headDim),
    chosen: fields.int("attention.indexer.top_k", LIMITS.context),
    own: decoder.architecture === "glm-dsa" ? glmOwn(fields, decoder) : () => true,
  };
}

function glmOwn(fields: Fields, { layerCount, context }: Decoder): (layer: number) => boolean {
  const types = fields.optionalList("attention.indexer.types");
  if (types !== null) return (layer) => layer >= layerCount || Boolean(types[layer]);
  return (context ?? 0) < SHARING_CONTEXT ? () => true : (layer) => layer >= layerCount || everyFourth(layer);
}

export function indexerCache({ heads, keyDim, chosen }: Indexer): SideCache {
  return { name: "indexer keys", elementsPerCell: keyDim, heads, chosen, blockCells: 1 };
}

export function indexerTensors(
  layer: number,
  { heads, keyDim }: Indexer,
  width: number,
  queryRank: number,
): readonly TensorSpec[] {
  return [
    blockTensor(layer, "indexer.k_norm.weight", [keyDim], "norm"),
    blockTensor(layer, "indexer.k_norm.bias", [keyDim], "norm"),
    blockTensor(layer, "indexer.proj.weight", [width, heads], "attention"),
    blockTensor(layer, "indexer.attn_k.weight", [width, keyDim], "attention"),
    blockTensor(layer, "indexer.attn_q_b.weight", [queryRank, heads * keyDim], "attention"),
  ];
}
