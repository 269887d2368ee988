/** Which layers of a model are alike. */
import type { LayerSpec, ModelSpec, TensorSpec } from "../../../model.ts";

const known = new WeakMap<ModelSpec, Int32Array>();

/** By layer: a number that it shares with all layers whose graphs are the same, whatever their weights' types. */
export function layerKinds(model: ModelSpec): Int32Array {
  const before = known.get(model);
  if (before !== undefined) return before;
  const firsts: { readonly layer: LayerSpec; readonly graph: string }[] = [];
  const made = Int32Array.from(model.layers, (layer) => {
    // The first may make what the others read; a layer that reads another's cache stores nothing.
    const images = layer.imageFeatures === true;
    const parted = images || layer.tensors.some(({ name }) => name.endsWith(".inp_gate.weight"));
    const first = layer.index === 0 && parted;
    const graph = JSON.stringify([layer.mixers, layer.feedForward, layer.kvSharedWith === null, images, first]);
    const kind = firsts.findIndex((first) => first.graph === graph && sameTensors(first.layer, layer));
    return kind === -1 ? firsts.push({ layer, graph }) - 1 : kind;
  });
  known.set(model, made);
  return made;
}

const knownTypes = new WeakMap<ModelSpec, Int32Array>();

/** By layer: a number that it shares with all layers that have the same tensors of the same types and shapes. */
export function layerTypes(model: ModelSpec): Int32Array {
  const before = knownTypes.get(model);
  if (before !== undefined) return before;
  const numbers = new Map<string, number>();
  const made = Int32Array.from(model.layers, (layer) => {
    const tensors = layer.tensors.map((tensor) => `${localName(layer, tensor)} ${tensor.type} ${tensor.shape}`);
    const key = tensors.sort().join();
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    return number;
  });
  knownTypes.set(model, made);
  return made;
}

function sameTensors(a: LayerSpec, b: LayerSpec): boolean {
  if (a.tensors.length !== b.tensors.length) return false;
  // Files have alike layers' tensors in the same order as a rule.
  if (a.tensors.every((tensor, i) => localName(a, tensor) === localName(b, b.tensors[i]))) return true;
  const names = new Set(a.tensors.map((tensor) => localName(a, tensor)));
  return b.tensors.every((tensor) => names.has(localName(b, tensor)));
}

function localName({ index }: LayerSpec, tensor: TensorSpec | undefined): string | undefined {
  const prefix = `blk.${index}.`;
  return tensor?.name.startsWith(prefix) === true ? tensor.name.slice(prefix.length) : tensor?.name;
}
