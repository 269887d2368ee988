/** Weights as mistral.rs holds them once loaded: not the file's bytes wherever it converts, merges or repacks them. */
import { GGML_TYPES, type GgmlType, isQuantized, tensorBytes } from "../../ggml-types.ts";
import type { LayerSpec, ModelSpec, TensorSpec } from "../../model.ts";
import { formatOfCheckpoint } from "../../parts/formats/checkpoint-format.ts";
import { parseFormat, type WeightFormat } from "../../parts/formats/index.ts";
import { supportOf } from "./support.ts";

/** ggml types that its reader knows. @source huggingface/candle@35d7ae7ca5c93e17c77359c3617376b8a72e96a4 candle-core/src/quantized/mod.rs GgmlDType */
const READ: ReadonlySet<GgmlType> = new Set<GgmlType>([
  "F32",
  "F16",
  "BF16",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q8_0",
  "Q8_1",
  "Q2_K",
  "Q3_K",
  "Q4_K",
  "Q5_K",
  "Q6_K",
  "Q8_K",
  "MXFP4",
]);

/**
 * Bytes of a second copy that a CPU of x86 with AVX2 makes of a matrix when it is first used, by 256 elements: tiles of 16
 * rows with their scales unpacked to 32 bits. Q8_0 only where there is VNNI.
 * @source huggingface/candle@35d7ae7ca5c93e17c77359c3617376b8a72e96a4 candle-core/src/quantized/repack_x86.rs TileQ4K, TileQ6K, TileQ8_0
 */
const REPACKED: Readonly<Partial<Record<GgmlType, number>>> = { Q4_K: 192, Q6_K: 320 };
const REPACKED_WITH_VNNI: Readonly<Partial<Record<GgmlType, number>>> = { Q8_0: 272 };
const TILE_ROWS = 16;
const TILE_ELEMENTS = 256;

export interface Resident {
  readonly layers: Float64Array;
  readonly outside: readonly { readonly name: string; readonly bytes: number }[];
  /** Bytes within these that a CPU without AVX2 would not make, and that one with VNNI would make besides. */
  readonly repacked: number;
  readonly repackedWithVnni: number;
  /** Bytes of gate and up that are held twice. */
  readonly merged: number;
  /** Elements for each byte-width's worth, as the device mapper divides: the smallest of any layer. */
  readonly packFactor: number;
  /** What the mapper takes each layer and the rest for. */
  readonly mappedLayers: Float64Array;
  readonly mappedOutside: number;
}

/** null: a GGUF's own types. */
export function residentFormat(model: ModelSpec): WeightFormat | null {
  const own = model.weights?.checkpoint?.format ?? null;
  if (own !== null && own.status === "ok") return formatOfCheckpoint(own);
  const name = model.weights?.name ?? null;
  const format = name === null ? null : parseFormat(name);
  return format !== null && format.id === name ? format : null;
}

/** The first type that mistral.rs cannot read. */
export function unreadType(model: ModelSpec): { readonly name: string; readonly type: GgmlType } | null {
  if (residentFormat(model) !== null) return null;
  for (const { name, type } of [...model.layers.flatMap(({ tensors }) => tensors), ...model.outside])
    if (type !== null && !READ.has(type)) return { name, type };
  return null;
}

const kept = new WeakMap<ModelSpec, Map<string, Resident>>();

/**
 * @param typeBytes of an element that is not quantized
 * @param ranks each has its share of every matrix; norms, routers and what stands outside of layers on each of them
 * @param cpu the computing is done by a CPU
 * @throws {RangeError} when no weights were chosen
 */
export function resident(model: ModelSpec, typeBytes: number, ranks: number, cpu: boolean): Resident {
  let ofModel = kept.get(model);
  if (ofModel === undefined) {
    ofModel = new Map();
    kept.set(model, ofModel);
  }
  const key = `${typeBytes} ${ranks} ${cpu}`;
  let answer = ofModel.get(key);
  if (answer === undefined) {
    answer = measure(model, typeBytes, ranks, cpu);
    ofModel.set(key, answer);
  }
  return answer;
}

interface Piece {
  readonly tensor: TensorSpec;
  readonly layer: LayerSpec | null;
  readonly bytes: number;
  /** As the files have it. */
  readonly stored: number;
  readonly elements: number;
  readonly type: GgmlType | null;
  readonly quantized: boolean;
}

function measure(model: ModelSpec, typeBytes: number, ranks: number, cpu: boolean): Resident {
  const format = residentFormat(model);
  const merges = supportOf(model)?.mergesGateUp ?? false;
  let repacked = 0;
  let repackedWithVnni = 0;
  let merged = 0;
  let packFactor = Number.POSITIVE_INFINITY;
  const mappedLayers = new Float64Array(model.layers.length);

  const pieceOf = (tensor: TensorSpec, layer: LayerSpec | null): Piece =>
    piece(model, tensor, layer, format, typeBytes);
  const copies = (from: Piece): number => {
    if (!cpu || from.type === null) return 0;
    const again = repack(from, REPACKED);
    repacked += again;
    repackedWithVnni += repack(from, REPACKED_WITH_VNNI);
    return again;
  };

  const pieces = model.layers.map((layer) => layer.tensors.filter(loaded).map((tensor) => pieceOf(tensor, layer)));
  const table = model.weights?.checkpoint?.table ?? null;
  const layers = Float64Array.from(pieces, (of, i) => {
    let bytes = 0;
    for (const one of of) bytes += one.bytes * shareOf(one.tensor, ranks);
    if (table !== null) bytes *= told(table.layers[i] ?? 0, of);
    for (const one of of) bytes += copies(one);
    const twice = merges ? gateAndUp(of) / ranks : 0;
    merged += twice;
    return Math.round(bytes + twice);
  });
  for (const of of pieces) packFactor = Math.min(packFactor, packFactorOf(of, typeBytes));
  if (!Number.isFinite(packFactor)) packFactor = 1;
  for (const [i, of] of pieces.entries()) mappedLayers[i] = mappedBytes(of, packFactor, typeBytes);

  const others = model.outside.filter(loaded).map((tensor) => pieceOf(tensor, null));
  const outside = others.map((one) => ({
    name: one.tensor.name,
    bytes: one.bytes + (one.tensor.role === "output" || model.tiedEmbeddings ? copies(one) : 0),
  }));
  // Towers are loaded with the model.
  if (supportOf(model)?.tower === true) outside.push(...(table?.aside ?? []));
  const mappedOutside = others.reduce(
    (bytes, one) => bytes + mappedBytes([one], packFactorOf([one], typeBytes), typeBytes),
    0,
  );
  return { layers, outside, repacked, repackedWithVnni, merged, packFactor, mappedLayers, mappedOutside };
}

/** The files' own table says how much a layer holds; what becomes of it is computed. */
function told(bytes: number, pieces: readonly Piece[]): number {
  const computed = pieces.reduce((sum, one) => sum + one.stored, 0);
  return computed === 0 || bytes === 0 ? 1 : bytes / computed;
}

/** Tables of rope factors come out of a GGUF's metadata into the rotary tables. */
function loaded({ name }: TensorSpec): boolean {
  return !/(?:^|\.)rope_(?:freqs|factors)/.test(name);
}

function piece(
  model: ModelSpec,
  tensor: TensorSpec,
  layer: LayerSpec | null,
  format: WeightFormat | null,
  typeBytes: number,
): Piece {
  const elements = tensor.shape.reduce((product, n) => product * n, 1);
  if (format === null) {
    const { type } = tensor;
    if (type === null) throw new RangeError(`Cannot size "${tensor.name}": no weights were chosen`);
    const quantized = isQuantized(type);
    const stored = tensorBytes(type, tensor.shape);
    return {
      tensor,
      layer,
      elements,
      quantized,
      type,
      stored,
      bytes: quantized ? stored : elements * typeBytes,
    };
  }
  const bytes = format.bytes(tensor, { model, layer });
  const plain = format.method === "plain" || bytes >= 2 * elements;
  // F32 is kept only when it was asked for by name; else all that is not quantized gets the activations' type.
  const wide = format.id === "f32" ? 4 : typeBytes;
  return {
    tensor,
    layer,
    elements: bytes === 0 ? 0 : elements,
    quantized: !plain,
    type: plain ? null : ggmlTypeOf(elements, bytes),
    stored: bytes,
    bytes: bytes === 0 ? 0 : plain ? elements * wide : bytes,
  };
}

/** ISQ makes ggml's blocks: which, their size tells. */
function ggmlTypeOf(elements: number, bytes: number): GgmlType | null {
  for (const type of ["Q4_K", "Q6_K", "Q8_0"] as const) {
    const { blockBytes, blockElements } = GGML_TYPES[type];
    if (elements % 256 === 0 && bytes * blockElements === elements * blockBytes) return type;
  }
  return null;
}

function repack({ tensor, type, elements }: Piece, sizes: Readonly<Partial<Record<GgmlType, number>>>): number {
  const bytes = type === null ? undefined : sizes[type];
  const [columns = 1, rows = 1] = tensor.shape;
  if (bytes === undefined || tensor.shape.length < 2 || columns % TILE_ELEMENTS !== 0 || rows % TILE_ROWS !== 0)
    return 0;
  return (elements / TILE_ELEMENTS) * bytes;
}

/** Gate and up of a dense layer or of the shared experts, where they are not quantized and have no biases. */
function gateAndUp(pieces: readonly Piece[]): number {
  let bytes = 0;
  for (const suffix of ["", "_shexp"]) {
    const named = (name: string): Piece | undefined =>
      pieces.find(({ tensor }) => tensor.name.endsWith(`.ffn_${name}${suffix}.weight`));
    const gate = named("gate");
    const up = named("up");
    const biased = pieces.some(({ tensor }) => tensor.name.endsWith(`.ffn_up${suffix}.bias`));
    if (up === undefined || up.quantized || biased) continue;
    const fused = up.layer?.feedForward.kind === "dense" && up.layer.feedForward.fusedGateUp;
    if (gate !== undefined && !gate.quantized) bytes += gate.bytes + up.bytes;
    else if (gate === undefined && fused) bytes += up.bytes;
  }
  return bytes;
}

function shareOf({ name, role, shape }: TensorSpec, ranks: number): number {
  const wide = shape.filter((n) => n > 1).length >= 2;
  const replicated = /(?:attn_q_a|attn_kv_a)/.test(name);
  return !wide || role === "router" || role === "norm" || replicated ? 1 : 1 / ranks;
}

function isMatrix({ tensor }: Piece): boolean {
  return tensor.shape.length >= 2 && tensor.name.endsWith(".weight") && tensor.role !== "norm";
}

/** ⌊elements · type / bytes⌋ of the matrices. @source mistral.rs v0.9.2 mistralrs-quant/src/lib.rs block_pack_factor */
function packFactorOf(pieces: readonly Piece[], typeBytes: number): number {
  let elements = 0;
  let bytes = 0;
  for (const one of pieces) {
    if (!isMatrix(one)) continue;
    elements += one.elements;
    bytes += one.bytes;
  }
  return bytes === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor((elements * typeBytes) / bytes));
}

function mappedBytes(pieces: readonly Piece[], packFactor: number, typeBytes: number): number {
  let elements = 0;
  for (const one of pieces) {
    const factor = isMatrix(one) && one.tensor.role !== "router" && Number.isFinite(packFactor) ? packFactor : 1;
    elements += Math.floor(one.elements / factor);
  }
  return elements * typeBytes;
}
