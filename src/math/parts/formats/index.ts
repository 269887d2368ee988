/** Weight formats of the engines that load safetensors: by name, and what a model takes in one. */
import type { LayerSpec, ModelSpec, TensorSpec } from "../../model.ts";
import type { CheckpointTable } from "./checkpoint.ts";
import { formatOfCheckpoint } from "./checkpoint-format.ts";
import type { FormatSizes, WeightFormat } from "./format.ts";
import { parseIsq } from "./isq.ts";
import { parseMlx } from "./mlx.ts";
import { parseNamed } from "./named.ts";
import { parsePlain } from "./plain.ts";

export type { FormatSizes, WeightFormat } from "./format.ts";

const parsed = new Map<string, WeightFormat | null>();
/** Names come from outside: what is kept of them has an end. */
const MOST_NAMES = 1000;

/** The format of a name, in any case; the same object for the same name. null: no format is called so. */
export function parseFormat(name: string): WeightFormat | null {
  const id = name.trim().toLowerCase();
  let format = parsed.get(id);
  if (format === undefined) {
    format = parsePlain(id) ?? parseMlx(id) ?? parseIsq(id) ?? parseNamed(id);
    if (parsed.size >= MOST_NAMES) parsed.clear();
    parsed.set(id, format);
  }
  return format;
}

const sized = new WeakMap<ModelSpec, WeakMap<WeightFormat, FormatSizes>>();

/** Bytes of a model's tensors in one format. Kept per model and format, so that asking again costs nothing. */
export function sizeFormat(model: ModelSpec, format: WeightFormat): FormatSizes {
  let ofModel = sized.get(model);
  if (ofModel === undefined) {
    ofModel = new WeakMap();
    sized.set(model, ofModel);
  }
  let sizes = ofModel.get(format);
  if (sizes === undefined) {
    sizes = measure(model, format);
    ofModel.set(format, sizes);
  }
  return sizes;
}

const tables = new WeakMap<CheckpointTable, FormatSizes>();

/**
 * Bytes of a model whose weights were chosen by an engine's typeWeights: by the table of its own files where that was read.
 * @throws {RangeError} when they were not, or are a preset of llama.cpp's
 */
export function sizesOf(model: ModelSpec): FormatSizes {
  const table = model.weights?.checkpoint?.table ?? null;
  return table === null ? sizeFormat(model, formatOf(model)) : tableSizes(table);
}

function tableSizes(table: CheckpointTable): FormatSizes {
  let sizes = tables.get(table);
  if (sizes === undefined) {
    const { outside, aside } = table;
    const layers = Float64Array.from(table.layers);
    const total = layers.reduce((a, b) => a + b, 0) + outside.reduce((a, { bytes }) => a + bytes, 0);
    const experts = Float64Array.from(table.experts);
    sizes = { layers, experts, mtp: Float64Array.from(table.mtp), outside, aside, total };
    tables.set(table, sizes);
  }
  return sizes;
}

/** @throws {RangeError} as sizesOf */
export function formatOf(model: ModelSpec): WeightFormat {
  const { weights } = model;
  const own = weights?.checkpoint?.format ?? null;
  if (own !== null && own.status === "ok") return formatOfCheckpoint(own);
  const format = weights === null ? null : parseFormat(weights.name);
  if (format === null) throw new RangeError(`Cannot size weights "${weights?.name ?? "not chosen"}": no format`);
  return format;
}

function measure(model: ModelSpec, format: WeightFormat): FormatSizes {
  const sum = (tensors: readonly TensorSpec[], layer: LayerSpec | null): number =>
    tensors.reduce((bytes, tensor) => bytes + format.bytes(tensor, { model, layer }), 0);
  const layers = Float64Array.from(model.layers, (layer) => sum(layer.tensors, layer));
  const experts = Float64Array.from(model.layers, (layer) =>
    sum(
      layer.tensors.filter(({ role }) => role === "expert"),
      layer,
    ),
  );
  const mtp = Float64Array.from(model.mtpLayers, (layer) => sum(layer.tensors, layer));
  const outside = model.outside
    .map((tensor) => ({ name: tensor.name, bytes: sum([tensor], null) }))
    .filter(({ bytes }) => bytes > 0);
  const embedding = model.outside.find(({ name }) => name === "token_embd.weight");
  if (model.tiedEmbeddings && embedding !== undefined && format.tiedHeadBytes !== undefined) {
    outside.push({ name: "output.weight", bytes: format.tiedHeadBytes(embedding) });
  }
  const total = layers.reduce((a, b) => a + b, 0) + outside.reduce((a, { bytes }) => a + bytes, 0);
  return { layers, experts, mtp, outside, aside: [], total };
}
