/**
 * Sparse attention by blocks: an indexer chooses blocks of cells for each group of heads and each token, and a mask of its own
 * for each group leaves what is in them. Only with flash attention, and with a stream for each sequence; else llama.cpp
 * attends to everything. The graph is laid out for 256 positions, however long the cache: a longer prompt makes it grow.
 * @source src/models/minimax-m3.cpp, src/llama-graph.cpp build_attn_inp_kv_msa at llama.cpp v0.5.0
 */
import type { ModelSpec, SideCache } from "../../../model.ts";
import type { GraphBuilder } from "./builder.ts";
import { type GraphNode, type Source, sizeOf } from "./graph.ts";
import { cacheView } from "./scores.ts";
import type { LayerContext, Step } from "./step.ts";

/** What the indexers of all layers share. */
export interface BlockInputs {
  readonly keyRows: GraphNode;
  readonly bias: GraphNode;
  readonly positionMask: GraphNode;
  readonly positionCells: GraphNode;
  readonly cellBlocks: GraphNode;
}

/** Positions that the graph is laid out for. */
const POSITIONS = 256;

export function blockInputs(graph: GraphBuilder, model: ModelSpec, step: Step): BlockInputs | null {
  const indexer = model.layers.flatMap(({ sideCaches }) => sideCaches)[0];
  if (indexer === undefined || indexer.blockCells === 1) return null;
  if (!step.flashAttention || step.streams !== step.sequences) return null;
  return {
    keyRows: graph.input("indexer key rows", 8, [step.tokens]),
    bias: graph.input("block bias", 4, [blocksOf(indexer), step.tokens]),
    positionMask: graph.input("position mask", 4, [POSITIONS, step.tokens]),
    positionCells: graph.input("position cells", 4, [POSITIONS, step.streams]),
    cellBlocks: graph.input("cell blocks", 4, ["full", step.streams]),
  };
}

function blocksOf({ blockCells }: SideCache): number {
  return Math.ceil(POSITIONS / blockCells);
}

export interface BlockChoice {
  readonly indexer: SideCache;
  readonly inputs: BlockInputs;
  readonly query: GraphNode;
}

/** The indexer's queries; its keys are stored at once. null: the layer attends to everything. */
export function chooseBlocks(at: LayerContext, input: GraphNode): BlockChoice | null {
  const [indexer = null] = at.layer.sideCaches;
  const { blocks: inputs, positions } = at.inputs;
  if (indexer === null || inputs === null) return null;
  const { heads, elementsPerCell: dim } = indexer;
  const turned = (name: string, matrix: string, count: number): GraphNode => {
    const extents = [dim, count, at.step.tokens];
    const from = at.graph.view(at.matmul(matrix, count * dim, input));
    return at.op(`${name} rope`, "rope", extents, [at.norm(name, from, extents), positions]);
  };
  const query = turned("indexer.q_norm", "indexer.q_proj", heads);
  const key = turned("indexer.k_norm", "indexer.k_proj", 1);
  at.store("store indexer keys", [at.graph.view(key), inputs.keyRows, at.cache("cache indexer")]);
  return { indexer, inputs, query };
}

interface Attended {
  readonly query: Source;
  readonly key: Source;
  readonly value: Source;
  /** Elements of all heads in one cell. */
  readonly keyWidth: number;
  readonly valueWidth: number;
  readonly heads: number;
  /** Elements of one head of the values. */
  readonly width: number;
}

/** One flash attention for each stream, whose heads' groups have masks of their own. */
export function attendBlocks(at: LayerContext, choice: BlockChoice, attended: Attended): Source {
  const { graph, step } = at;
  const { heads, width } = attended;
  const tokens = step.tokens / step.streams;
  const whole = graph.node("mask as f32", "op", ["full", step.tokens], [at.inputs.mask("full")]);
  graph.expand(whole);
  let out: GraphNode | null = null;
  for (let stream = 0; stream < step.streams; stream++) {
    const one = at.op("attention", "attention", [width, heads, tokens], sources(at, choice, attended, whole, tokens), {
      kind: "attention",
      keyType: step.kvTypeK,
      valueType: step.kvTypeV,
      keyWidth: attended.keyWidth,
      valueWidth: attended.valueWidth,
      cells: "full",
      streams: 1,
      tokens,
      heads,
      headWidth: width,
    });
    const together = at.op("heads together", "op", [width * heads, tokens], [graph.view(one)]);
    out =
      out === null
        ? together
        : at.op(
            "streams together",
            "op",
            [width * heads, tokens * (stream + 1)],
            [graph.view(out), graph.view(together)],
          );
  }
  const result = graph.view(out ?? whole);
  graph.expand(result);
  at.keep(whole);
  return result;
}

function sources(
  at: LayerContext,
  { indexer, inputs, query }: BlockChoice,
  attended: Attended,
  whole: GraphNode,
  tokens: number,
): readonly Source[] {
  const { graph, step } = at;
  const { heads: groups, elementsPerCell: dim, chosen } = indexer;
  const blocks = blocksOf(indexer);
  const rows = groups * tokens;
  const cache = graph.view(at.cache("cache indexer"), cacheView(at, dim, "full", step.kvTypeK), {
    type: step.kvTypeK,
    elements: dim,
  });
  const keys = at.op("indexer keys", "get-rows", [dim, POSITIONS], [cache, graph.view(inputs.positionCells)]);
  const scores = at.op("indexer scores", "matmul", [POSITIONS, rows], [keys, graph.view(query)]);
  const masked = at.op(
    "indexer scores masked",
    "in-place",
    [POSITIONS, rows],
    [scores, graph.view(inputs.positionMask)],
  );
  const best = at.op("block scores", "op", [blocks, rows], [graph.view(masked)]);
  const biased = at.op("block scores biased", "in-place", [blocks, rows], [best, graph.view(inputs.bias)]);
  const top = at.op("best blocks", "op", [Math.min(chosen, blocks), rows], [biased]);
  const half = { elementBytes: 2 };
  const blockMask = graph.node("block mask", "op", [blocks, rows], [top, graph.view(inputs.bias)], half);
  const turned = graph.node("block mask turned", "op", [rows, blocks], [graph.view(blockMask)], half);
  const byCell = at.op("cell mask", "get-rows", [rows, "full"], [turned, graph.view(inputs.cellBlocks)]);
  const turnedBack = at.op("cell mask turned", "op", ["full", rows], [graph.view(byCell)]);
  const joined = at.op("cell mask joined", "in-place", ["full", rows], [turnedBack, graph.view(whole)]);
  const mask = graph.node("mask of the chosen", "op", ["full", rows], [graph.view(joined)], half);
  const part = (from: Source, elements: number): Source => graph.view(from, sizeOf(4, [elements, tokens]));
  return [part(attended.query, attended.heads * attended.width), attended.key, attended.value, mask];
}
