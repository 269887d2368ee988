/**
 * Puts a file's own tensors in the place of the computed ones. The computed list says what llama.cpp will ask for: a
 * tensor that is not there, or of another shape than the metadata's numbers give, is one llama.cpp refuses as well.
 * @source llama.cpp src/llama-model-loader.cpp check_tensor_dims, done_getting_tensors@v0.5.0
 */
import { isGgmlType } from "../ggml-types.ts";
import { type LayerSpec, type ModelSpec, type TensorRole, type TensorSpec, UNNAMED_WEIGHTS } from "../model.ts";
import type { GgufHeader, GgufTensor } from "./family.ts";
import { quote } from "./fields.ts";
import { layerOf, roleOf } from "./roles.ts";

export type Adoption =
  | { readonly ok: true; readonly spec: ModelSpec; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly reason: string; readonly missing: readonly string[] };

/** How many names a sentence lists before it says how many more there are. */
const NAMED = 3;

export function adoptTensors(computed: ModelSpec, header: GgufHeader): Adoption {
  const refuse = (reason: string, missing: readonly string[] = []): Adoption => ({ ok: false, reason, missing });
  const file = new Map<string, GgufTensor>();
  for (const tensor of header.tensors) {
    if (file.has(tensor.name)) return refuse(`tensor ${quote(tensor.name)} is in the file twice`);
    file.set(tensor.name, tensor);
  }
  const roles = new Map<string, TensorRole>();
  const missing: string[] = [];
  for (const want of allTensors(computed)) {
    const found = file.get(want.name);
    roles.set(want.name, want.role);
    if (found === undefined) missing.push(want.name);
    else if (!sameShape(found.shape, want.shape)) {
      return refuse(
        `tensor "${want.name}" has the shape [${found.shape.join(", ")}]: [${want.shape.join(", ")}] follows from the metadata`,
      );
    }
  }
  if (missing.length > 0) return refuse(`the file lacks ${listed(missing)}`, missing);
  return distribute(computed, header.tensors, roles);
}

function distribute(
  computed: ModelSpec,
  tensors: readonly GgufTensor[],
  roles: ReadonlyMap<string, TensorRole>,
): Adoption {
  const blocks = computed.layers.length + computed.mtpLayers.length;
  const byLayer: TensorSpec[][] = Array.from({ length: blocks }, () => []);
  const outside: TensorSpec[] = [];
  const extra: string[] = [];
  const homes = unnumbered(computed);
  for (const found of tensors) {
    const { name, shape, type, shard, offset } = found;
    if (!isGgmlType(type)) {
      return {
        ok: false,
        reason: `tensor ${quote(name)} is stored as ${type}, which is not a type of ggml's`,
        missing: [],
      };
    }
    const index = homes.get(name) ?? layerOf(name);
    const place = index === null ? outside : byLayer[index];
    if (place === undefined) {
      return { ok: false, reason: `tensor ${quote(name)} is beyond the ${blocks} blocks of the metadata`, missing: [] };
    }
    if (!roles.has(name) && !isSideTensor(name)) extra.push(name);
    place.push({ name, shape, role: roles.get(name) ?? roleOf(name), type, at: { shard, offset } });
  }
  const fill = (layer: LayerSpec): LayerSpec => ({ ...layer, tensors: byLayer[layer.index] ?? [] });
  const spec: ModelSpec = {
    ...computed,
    layers: computed.layers.map(fill),
    mtpLayers: computed.mtpLayers.map(fill),
    outside,
    tensorSource: "file",
    weights: { name: UNNAMED_WEIGHTS, basis: "exact" },
  };
  const warnings =
    extra.length === 0
      ? []
      : [
          `The file has ${listed(extra)}, which this architecture does not use: llama.cpp may refuse the file, here they count as weights.`,
        ];
  return { ok: true, spec, warnings };
}

/** Tensors of a layer whose names don't say so: the norm of the embeddings, which goes where the first layer does. */
function unnumbered(computed: ModelSpec): ReadonlyMap<string, number> {
  const homes = new Map<string, number>();
  for (const { index, tensors } of computed.layers) {
    for (const { name } of tensors) if (layerOf(name) === null) homes.set(name, index);
  }
  return homes;
}

/** Optional companions that llama.cpp takes with any matrix: scales of NVFP4 and biases. */
function isSideTensor(name: string): boolean {
  return /\.(scale|input_scale|bias)$/.test(name) || name === "rope_freqs.weight";
}

function allTensors(spec: ModelSpec): readonly TensorSpec[] {
  return [spec.outside, ...[...spec.layers, ...spec.mtpLayers].map((layer) => layer.tensors)].flat();
}

/** Dimensions of 1 at the end are not stored by every writer. */
function sameShape(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < Math.max(a.length, b.length); i++) if ((a[i] ?? 1) !== (b[i] ?? 1)) return false;
  return true;
}

function listed(names: readonly string[]): string {
  const first = names.slice(0, NAMED).map((name) => quote(name));
  return names.length > NAMED ? `${first.join(", ")} and ${names.length - NAMED} more` : first.join(", ");
}
