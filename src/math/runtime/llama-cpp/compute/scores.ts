/**
 * Queries against a cache: scores and weighted values.
 * @source src/llama-graph.cpp build_attn_mha; src/llama-kv-cache.cpp get_k, get_v at llama.cpp v0.5.0
 */
import { GGML_TYPES } from "../../../ggml-types.ts";
import { type Extent, type GraphNode, type Size, type Source, sizeOf } from "./graph.ts";
import type { LayerContext } from "./step.ts";

/** All cells of all streams, as a copy of the cache on another device would have them. */
export function cacheView(at: LayerContext, width: number, cells: Extent, type: keyof typeof GGML_TYPES): Size {
  const { blockBytes, blockElements } = GGML_TYPES[type];
  return sizeOf(blockBytes / blockElements, [width, cells, at.step.streams]);
}

export interface Scores {
  readonly query: Source;
  readonly key: Source;
  readonly value: Source;
  /** Elements of all heads in one cell; values 0: they are a part of the keys. */
  readonly keyWidth: number;
  readonly valueWidth: number;
  readonly heads: number;
  /** Elements of one head of the values. */
  readonly width: number;
  readonly cells: "full" | "window";
  readonly sinks: readonly GraphNode[];
  /** Latent attention: unpacks the values of each head. */
  readonly unpack: { readonly weight: GraphNode; readonly width: number } | null;
  /** null: the one that all layers share. */
  readonly mask: GraphNode | null;
}

export function scores(at: LayerContext, parts: Scores): Source {
  const { graph, step, inputs } = at;
  const { query, key, value, keyWidth, valueWidth, heads, width, cells, sinks, unpack } = parts;
  const each = step.tokens / step.streams;
  const mask = parts.mask ?? inputs.mask(cells);
  let out: Source;
  if (step.flashAttention) {
    const keys = step.kvTypeK === "F32" ? asF16(at, "keys as f16", keyWidth, cells, key) : key;
    const valueType = valueWidth === 0 ? step.kvTypeK : step.kvTypeV;
    const valueElements = valueWidth === 0 ? width : valueWidth;
    const values = valueType === "F32" ? asF16(at, "values as f16", valueElements, cells, value) : value;
    const sources = [query, keys, values, mask, ...sinks];
    const attended = at.op("attention", "attention", [width, heads, each, step.streams], sources, {
      kind: "attention",
      keyType: step.kvTypeK,
      valueType: step.kvTypeV,
      keyWidth,
      valueWidth,
      cells,
      streams: step.streams,
      tokens: each,
      heads,
      headWidth: width,
    });
    out = graph.reshape(attended, [width * heads, step.tokens]);
    if (unpack !== null) {
      const unpacked = at.op("values unpacked", "matmul", [unpack.width, step.tokens, heads], [unpack.weight, out]);
      out = graph.view(at.op("heads together", "op", [unpack.width * heads, step.tokens], [graph.view(unpacked)]));
    }
  } else {
    const shape: Extent[] = [cells, each, heads, step.streams];
    const raw = at.op("scores", "matmul", shape, [key, query]);
    const soft = at.op("scores softmax", "in-place", shape, [raw, mask, ...sinks]);
    let weighted = at.op("weighted values", "matmul", [width, each, heads, step.streams], [value, soft]);
    if (unpack !== null) {
      weighted = at.op(
        "values unpacked",
        "matmul",
        [unpack.width, each, heads, step.streams],
        [unpack.weight, weighted],
      );
    }
    out = at.op("heads together", "op", [(unpack?.width ?? width) * heads, step.tokens], [graph.view(weighted)]);
  }
  graph.expand(out);
  return out;
}

/** Flash attention takes no f32: llama.cpp casts the whole cache of the layer first, in every step. */
function asF16(at: LayerContext, name: string, width: number, cells: "full" | "window", cache: Source): GraphNode {
  return at.graph.node(name, "op", [width, cells, at.step.streams], [cache], { elementBytes: 2 });
}
