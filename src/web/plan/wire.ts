/**
 * A ModelSpec as the page carries it: layers that are alike are written once, names of a layer's tensors without its
 * number. A model of 128 layers takes a few kilobytes instead of hundreds. decode(encode(spec)) equals spec.
 */
import type { GgmlType } from "../../math/ggml-types.ts";
import type { LayerSpec, ModelSpec, TensorRole, TensorSpec } from "../../math/model.ts";

/** Name, shape, role, type. */
type WireTensor = readonly [string, readonly number[], TensorRole, GgmlType | null];

/** A layer without its number: what equal layers share. */
interface WireKind {
  readonly mixers: LayerSpec["mixers"];
  readonly feedForward: LayerSpec["feedForward"];
  readonly sideCaches: LayerSpec["sideCaches"];
  readonly tensors: readonly WireTensor[];
}

/** Index, number of its kind, layer whose cache it reads. */
type WireLayer = readonly [number, number, number | null];

type Scalars = Omit<ModelSpec, "layers" | "mtpLayers" | "outside">;

export interface WireSpec {
  readonly scalars: Scalars;
  readonly kinds: readonly WireKind[];
  readonly layers: readonly WireLayer[];
  readonly mtpLayers: readonly WireLayer[];
  readonly outside: readonly WireTensor[];
  /** Shard and offset of each tensor in the order layers, MTP blocks, outside; -1 = none; null when none has a place. */
  readonly places: readonly number[] | null;
}

/** Stands for the layer's number in a tensor's name. */
const NUMBER = "#";

function packTensor(tensor: TensorSpec, index: number | null): WireTensor {
  const name = index === null ? tensor.name : tensor.name.replace(`blk.${index}.`, `blk.${NUMBER}.`);
  return [name, tensor.shape, tensor.role, tensor.type];
}

export function encodeSpec(spec: ModelSpec): WireSpec {
  const kinds: WireKind[] = [];
  const known = new Map<string, number>();
  const pack = (layer: LayerSpec): WireLayer => {
    const kind: WireKind = {
      mixers: layer.mixers,
      feedForward: layer.feedForward,
      sideCaches: layer.sideCaches,
      tensors: layer.tensors.map((tensor) => packTensor(tensor, layer.index)),
    };
    const key = JSON.stringify(kind);
    let number = known.get(key);
    if (number === undefined) {
      number = kinds.push(kind) - 1;
      known.set(key, number);
    }
    return [layer.index, number, layer.kvSharedWith];
  };
  const layers = spec.layers.map(pack);
  const mtpLayers = spec.mtpLayers.map(pack);
  const all = [...spec.layers, ...spec.mtpLayers].flatMap((layer) => layer.tensors).concat(spec.outside);
  const placed = all.some((tensor) => tensor.at !== null);
  const { layers: _l, mtpLayers: _m, outside, ...scalars } = spec;
  return {
    scalars,
    kinds,
    layers,
    mtpLayers,
    outside: outside.map((tensor) => packTensor(tensor, null)),
    places: placed ? all.flatMap((tensor) => [tensor.at?.shard ?? -1, tensor.at?.offset ?? -1]) : null,
  };
}

/** @throws {RangeError} when the parts do not belong together */
export function decodeSpec(wire: WireSpec): ModelSpec {
  let next = 0;
  const unpackTensor = ([name, shape, role, type]: WireTensor, index: number | null): TensorSpec => {
    const shard = wire.places?.[next++] ?? -1;
    const offset = wire.places?.[next++] ?? -1;
    return {
      name: index === null ? name : name.replace(`blk.${NUMBER}.`, `blk.${index}.`),
      shape,
      role,
      type,
      at: shard < 0 ? null : { shard, offset },
    };
  };
  const unpack = ([index, number, kvSharedWith]: WireLayer): LayerSpec => {
    const kind = wire.kinds[number];
    if (kind === undefined) throw new RangeError(`Cannot read layer ${index}: its kind ${number} is missing`);
    return {
      index,
      mixers: kind.mixers,
      feedForward: kind.feedForward,
      kvSharedWith,
      sideCaches: kind.sideCaches,
      tensors: kind.tensors.map((tensor) => unpackTensor(tensor, index)),
    };
  };
  const layers = wire.layers.map(unpack);
  const mtpLayers = wire.mtpLayers.map(unpack);
  return { ...wire.scalars, layers, mtpLayers, outside: wire.outside.map((tensor) => unpackTensor(tensor, null)) };
}
