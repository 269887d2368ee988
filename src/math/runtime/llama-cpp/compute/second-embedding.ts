/**
 * A second embedding with a part for each layer, as llama.cpp builds it: rows are read at the beginning, the first layer adds
 * what the ordinary embedding has to say and lays the parts one behind the other, and each layer takes its own.
 * @source src/models/gemma4.cpp, gemma3n.cpp build_inp_per_layer, project_per_layer_inputs at llama.cpp v0.5.0
 */
import type { ModelSpec, TensorSpec } from "../../../model.ts";
import type { GraphBuilder } from "./builder.ts";
import { type GraphNode, type GraphView, sizeOf, stridedSize } from "./graph.ts";
import type { CarriedInputs, LayerContext, Step, StepInputs } from "./step.ts";

export const SECOND_EMBEDDING = "per_layer_token_embd.weight";
const ROWS = "second embedding scaled";
const PARTS = "layers' parts";
const PADDED = "embedding padded";

/** How many layers are given features of images. */
export function imageLayers({ layers }: ModelSpec): number {
  return layers.filter(({ imageFeatures }) => imageFeatures === true).length;
}

/** An image's features for the first layers stand behind its embedding; those of text are empty. */
export function padded(graph: GraphBuilder, embedding: GraphNode, features: number): GraphNode {
  const [width = 0, tokens = 0] = embedding.extents;
  const all = typeof width === "number" ? (1 + features) * width : 0;
  return graph.node(PADDED, "op", [all, tokens], [embedding]);
}

/** The embedding, or a layer's features, out of the rows of `padded`. */
export function slice(graph: GraphBuilder, from: GraphNode, width: number, tokens: number): GraphView {
  const [all = 0] = from.extents;
  return graph.view(from, stridedSize(4, tokens, typeof all === "number" ? all : 0, width));
}

export function withImageFeatures(at: LayerContext, width: number, out: GraphNode): GraphNode {
  const { carried } = at.inputs;
  if (at.layer.imageFeatures !== true || carried === null) return out;
  const { tokens } = at.step;
  return at.op(
    "image features added",
    "in-place",
    [width, tokens],
    [out, slice(at.graph, carried.rows, width, tokens)],
  );
}

function tableOf(model: ModelSpec): TensorSpec | null {
  return model.outside.find(({ name }) => name === SECOND_EMBEDDING) ?? null;
}

/** Elements of one layer's part. */
function partWidth({ shape }: TensorSpec, { layers }: ModelSpec): number {
  return (shape[0] ?? 0) / layers.length;
}

export function carriedInputs(graph: GraphBuilder, model: ModelSpec, { tokens }: Step): CarriedInputs | null {
  const table = tableOf(model);
  const features = imageLayers(model);
  if (features > 0) {
    return { rows: graph.input(PADDED, 4, [(1 + features) * model.embeddingLength, tokens]), parts: null };
  }
  if (table === null) return null;
  return {
    rows: graph.input(ROWS, 4, [table.shape[0] ?? 0, tokens]),
    parts: graph.input(PARTS, 4, [partWidth(table, model), tokens, model.layers.length]),
  };
}

export function secondRows(graph: GraphBuilder, inputs: StepInputs, tensor: TensorSpec, tokens: number): GraphNode {
  const extents = [tensor.shape[0] ?? 0, tokens];
  const table = graph.weight(tensor.name, tensor, "host");
  const rows = graph.node("second embedding", "get-rows", extents, [table, inputs.tokensAgain]);
  return graph.node(ROWS, "in-place", extents, [graph.view(rows)]);
}

/** Made in the first layer; null in a model without. */
export function firstParts(at: LayerContext, model: ModelSpec, input: GraphNode): GraphNode | null {
  const { graph, step, inputs } = at;
  const table = tableOf(model);
  if (table === null || inputs.carried === null) return null;
  const find = (name: string): GraphNode => {
    const tensor = model.outside.find((one) => one.name === name) ?? null;
    return graph.weight(name, tensor, "layer");
  };
  const width = partWidth(table, model);
  const extents = [width, model.layers.length, step.tokens];
  const projected = at.op(
    "embedding for layers",
    "matmul",
    [table.shape[0] ?? 0, step.tokens],
    [find("per_layer_model_proj.weight"), input],
  );
  const scaled = at.op("embedding for layers scaled", "in-place", projected.extents, [projected]);
  const normed = at.op("norm", "in-place", extents, [graph.view(scaled)]);
  const weighted = at.op("embedding for layers normed", "in-place", extents, [
    normed,
    find("per_layer_proj_norm.weight"),
  ]);
  const sum = at.op("embeddings for layers", "in-place", extents, [weighted, inputs.carried.rows]);
  const halved = at.op("embeddings for layers scaled", "in-place", extents, [sum]);
  return at.op(PARTS, "op", [width, step.tokens, model.layers.length], [graph.view(halved)]);
}

/** What the layer's part of the second embedding adds to what it hands on. */
export function withOwnPart(at: LayerContext, width: number, out: GraphNode): GraphNode {
  const parts = at.parts ?? at.inputs.carried?.parts ?? null;
  if (parts === null || !at.has("inp_gate.weight")) return out;
  const rows = at.step.tokens;
  const part = at.elements("inp_gate.weight", 1);
  const gate = at.matmul("inp_gate", part, out);
  const active = at.op("part activation", "in-place", [part, rows], [gate]);
  const own = at.graph.view(parts, sizeOf(4, [part, rows]));
  const gated = at.op("part gated", "in-place", [part, rows], [active, own]);
  const normed = at.norm("post_norm", at.matmul("proj", width, gated), [width, rows]);
  return at.op("part added", "in-place", [width, rows], [out, normed]);
}
