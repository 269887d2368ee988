/** Which layers of a model are alike. */
import type { LayerSpec, ModelSpec, TensorSpec } from "../../../model.ts";

/** Layers with the same number are alike. */
export type Kinds = Int32Array;

const shapes = new WeakMap<ModelSpec, Kinds>();
const types = new WeakMap<ModelSpec, Kinds>();

/** Layers whose graphs are the same. */
export function shapeKinds(model: ModelSpec): Kinds {
  const known = shapes.get(model);
  if (known !== undefined) return known;
  const graphs = model.layers.map(({ mixers, feedForward }) => JSON.stringify([mixers, feedForward]));
  const made = kindsOf(model, (a, b, i, j) => graphs[i] === graphs[j] && sameTensors(a, b, false));
  shapes.set(model, made);
  return made;
}

/** … and whose weights have the same types: where weights are copied. */
export function typedKinds(model: ModelSpec): Kinds {
  const known = types.get(model);
  if (known !== undefined) return known;
  const shape = shapeKinds(model);
  const made = kindsOf(model, (a, b, i, j) => shape[i] === shape[j] && sameTensors(a, b, true));
  types.set(model, made);
  return made;
}

/** @param alike of two layers and their indexes */
function kindsOf(model: ModelSpec, alike: (a: LayerSpec, b: LayerSpec, i: number, j: number) => boolean): Kinds {
  const firsts: { readonly layer: LayerSpec; readonly index: number }[] = [];
  return Int32Array.from(model.layers, (layer, i) => {
    const kind = firsts.findIndex((first) => alike(layer, first.layer, i, first.index));
    return kind === -1 ? firsts.push({ layer, index: i }) - 1 : kind;
  });
}

/** Files have alike layers' tensors in the same order as a rule. */
function sameTensors(a: LayerSpec, b: LayerSpec, typed: boolean): boolean {
  if (a.tensors.length !== b.tensors.length) return false;
  const same = (x: TensorSpec, y: TensorSpec | undefined): boolean =>
    y !== undefined && (!typed || x.type === y.type) && localName(a, x) === localName(b, y);
  if (a.tensors.every((tensor, i) => same(tensor, b.tensors[i]))) return true;
  const [left, right] = [sorted(a), sorted(b)];
  return left.every((tensor, i) => same(tensor, right[i]));
}

function sorted(layer: LayerSpec): TensorSpec[] {
  return layer.tensors.toSorted((a, b) => (localName(layer, a) < localName(layer, b) ? -1 : 1));
}

function localName({ index }: LayerSpec, { name }: TensorSpec): string {
  const prefix = `blk.${index}.`;
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}
