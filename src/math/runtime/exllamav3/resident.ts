/** Weights as ExLlamaV3 holds them: packed matrices padded to 128, the rest in 16 bits, the embedding in system memory. */
import type { LayerSpec, ModelSpec, TensorSpec } from "../../model.ts";
import { formatOf, sizesOf, type WeightFormat } from "../../parts/formats/index.ts";
import { matricesOf } from "../../parts/formats/scheme.ts";
import { tensorKind } from "../../parts/formats/tensor-kind.ts";

export interface Resident {
  readonly layers: Float64Array;
  /** Routed experts alone. */
  readonly experts: Float64Array;
  readonly head: number;
  /** Norms and the like, beside the head. */
  readonly small: number;
  /** In system memory. */
  readonly embedding: number;
}

/** Both sides of a matrix are padded to whole tiles. @source exllamav3 v1.4.1 modules/linear.py pad_to */
const TILE = 128;
const padded = (n: number): number => TILE * Math.ceil(n / TILE);
const BITS = /^exl3-(\d(?:\.\d+)?)bpw(?:-h(\d(?:\.\d+)?))?$/;
const HEAD_BITS = 6;
/**
 * Never packed: the halves of a latent attention's kv_b, which are used each by itself, and the projections of a gated
 * delta net that give one number for a head.
 * @source exllamav3 v1.4.1 modules/mla_attn.py load_local, modules/gated_delta_net.py (qmap = None)
 */
const PLAIN = /(?:attn_[kv]_b|attn_kv_b|ssm_(?:alpha|beta|ba|dt))\.weight$/;

interface Packing {
  readonly body: number;
  readonly head: number;
}

function packingOf({ method, id }: WeightFormat): Packing | null {
  const match = method === "exl3" ? BITS.exec(id) : null;
  return match === null ? null : { body: Number(match[1]), head: Number(match[2] ?? HEAD_BITS) };
}

const kept = new WeakMap<ModelSpec, Resident>();

/** @throws {RangeError} when no weights were chosen */
export function resident(model: ModelSpec): Resident {
  let answer = kept.get(model);
  if (answer === undefined) {
    answer = measure(model);
    kept.set(model, answer);
  }
  return answer;
}

function measure(model: ModelSpec): Resident {
  const format = formatOf(model);
  const packing = packingOf(format);
  const table = model.weights?.checkpoint?.table ?? null;
  const sum = (tensors: readonly TensorSpec[], layer: LayerSpec): number =>
    tensors.reduce((all, one) => all + tensorBytes(one, packing, piecesOf(one, layer)), 0);
  const routed = ({ tensors }: LayerSpec): TensorSpec[] => tensors.filter(({ role }) => role === "expert");
  const stored = table === null ? null : sizesOf(model);
  const layers = Float64Array.from(model.layers, (layer, i) => stored?.layers[i] ?? sum(layer.tensors, layer));
  const experts = Float64Array.from(model.layers, (layer, i) => stored?.experts[i] ?? sum(routed(layer), layer));
  const embedding = model.outside.find(({ role }) => role === "embedding");
  const own = model.outside.find(({ role }) => role === "output");
  // A head that is the embedding again is stored by itself once it is packed, and loaded by itself where it is not.
  const head = own ?? (model.tiedEmbeddings ? embedding : undefined);
  const told = stored?.outside.find(({ name }) => name === "output.weight")?.bytes;
  return {
    layers,
    experts,
    head: told ?? (head === undefined ? 0 : matrixBytes(head, packing?.head ?? null, 1)),
    small: model.outside
      .filter((one) => one !== embedding && one !== own)
      .reduce((all, one) => all + tensorBytes(one, packing, 1), 0),
    embedding: embedding === undefined ? 0 : 2 * elements(embedding),
  };
}

/** Matrices that stand as one in the file and are packed each by itself. @source exllamav3 v1.4.1 architecture/phi3.py */
function piecesOf({ name }: TensorSpec, { mixers, feedForward }: LayerSpec): number {
  if (name.endsWith("attn_qkv.weight") && mixers.every(({ kind }) => kind !== "state")) return 3;
  return name.endsWith("ffn_up.weight") && feedForward.kind === "dense" && feedForward.fusedGateUp ? 2 : 1;
}

function tensorBytes(tensor: TensorSpec, packing: Packing | null, pieces: number): number {
  const kind = tensorKind(tensor);
  if (kind === "gguf-only") return 0;
  if (kind === "vector" || kind === "embedding" || kind === "router" || PLAIN.test(tensor.name))
    return 2 * elements(tensor);
  return matrixBytes(tensor, packing?.body ?? null, pieces);
}

/** copies · (in · out · bits / 8 + 2 · (pieces · in + out)), both padded; without bits 2 · in · out. */
function matrixBytes(tensor: TensorSpec, bits: number | null, pieces: number): number {
  const { inSize, outSize, copies } = matricesOf(tensor);
  const [columns, rows] = [padded(inSize), padded(outSize)];
  if (bits === null) return copies * 2 * columns * rows;
  return copies * (Math.ceil((columns * rows * bits) / 8) + 2 * (pieces * columns + rows));
}

function elements({ shape }: TensorSpec): number {
  return shape.reduce((product, n) => product * n, 1);
}
