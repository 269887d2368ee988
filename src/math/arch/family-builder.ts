/**
 * What all families do alike: read the fields of either description into one geometry, answer "unknown" with everything
 * that is wrong, or lay out layers and tensors, check their size, and take the file's own tensors where there are some.
 */
import type { LayerSpec, ModelSpec, SpecResult, TensorSpec } from "../model.ts";
import { adoptTensors } from "./adopt-tensors.ts";
import type { Decoder } from "./decoder.ts";
import type { FamilyId } from "./families.ts";
import type { ArchFamily, GgufHeader, RawConfig } from "./family.ts";
import { Fields, UnkeptList } from "./fields.ts";
import { nextnTensors } from "./nextn.ts";

/** 2^46 elements: 70 million million parameters; their bytes in F32 are still exact integers. */
const MAX_ELEMENTS = 2 ** 46;

export interface Blocks {
  readonly layers: readonly LayerSpec[];
  readonly mtpLayers: readonly LayerSpec[];
  readonly outside: readonly TensorSpec[];
}

export interface FamilyDefinition<G extends Decoder> {
  readonly id: FamilyId;
  readonly modelTypes: readonly string[];
  readonly ggufArchitectures: readonly string[];
  readonly readConfig: (fields: Fields) => G;
  readonly readGguf: (fields: Fields, header: GgufHeader) => G;
  readonly build: (geometry: G) => Blocks;
}

export function defineFamily<G extends Decoder>(definition: FamilyDefinition<G>): ArchFamily {
  const { id, modelTypes, ggufArchitectures, readConfig, readGguf, build } = definition;

  function answer(name: string | null, source: string, fields: Fields, geometry: G): SpecResult {
    if (fields.problems.length > 0) {
      const reason = `Cannot read ${source}: ${fields.problems.join("; ")}`;
      return { status: "unknown", architecture: name, reason, missing: [...new Set(fields.missing)] };
    }
    const spec = toSpec(geometry, build(geometry));
    const elements = countElements(spec);
    if (elements > MAX_ELEMENTS) {
      const reason = `Cannot believe ${source}: its tensors have ${elements.toExponential(2)} elements, more than any model's`;
      return { status: "unknown", architecture: name, reason, missing: [] };
    }
    return { status: "ok", spec, warnings: fields.warnings };
  }

  return {
    id,
    modelTypes,
    ggufArchitectures,
    fromConfig: (config) => {
      const fields = new Fields((key) => own(config, key));
      const name = config.model_type;
      return answer(typeof name === "string" ? name : null, "config.json", fields, readConfig(fields));
    },
    fromGguf: (header) => {
      const { architecture, metadata, arrayLengths } = header;
      const keyOf = (key: string) => `${architecture}.${key}`;
      // Longer than any list that is kept is longer than llama.cpp takes (LLAMA_MAX_LAYERS): not the same as absent.
      const unkept = (key: string) => {
        const length = arrayLengths.get(key);
        return length === undefined ? undefined : new UnkeptList(length);
      };
      const fields = new Fields((key) => metadata.get(keyOf(key)) ?? unkept(keyOf(key)), keyOf);
      const result = answer(architecture, "the GGUF metadata", fields, readGguf(fields, header));
      if (result.status !== "ok" || header.tensors.length === 0) return result;
      const adopted = adoptTensors(result.spec, header);
      if (!adopted.ok) {
        const reason = `Cannot take the GGUF file as ${architecture}: ${adopted.reason}`;
        return { status: "unknown", architecture, reason, missing: adopted.missing };
      }
      return { status: "ok", spec: adopted.spec, warnings: [...result.warnings, ...adopted.warnings] };
    },
  };
}

function own(config: RawConfig, key: string): unknown {
  return Object.hasOwn(config, key) ? config[key] : undefined;
}

function toSpec(decoder: Decoder, { layers, mtpLayers, outside }: Blocks): ModelSpec {
  return {
    family: decoder.family,
    architecture: decoder.architecture,
    modelType: null,
    layers,
    mtpLayers,
    outside,
    embeddingLength: decoder.embedding,
    vocabularySize: decoder.vocabulary,
    contextTrained: decoder.context,
    tiedEmbeddings: decoder.tied,
    tensorSource: "computed",
    weights: null,
  };
}

function countElements({ layers, mtpLayers, outside }: ModelSpec): number {
  let total = 0;
  for (const list of [outside, ...layers.map((l) => l.tensors), ...mtpLayers.map((l) => l.tensors)]) {
    for (const tensor of list) total += tensor.shape.reduce((product, n) => product * n, 1);
  }
  return total;
}

/** A layer with its own K and V and no side caches, as nearly all are. */
export function plainLayer(
  index: number,
  mixers: LayerSpec["mixers"],
  feedForward: LayerSpec["feedForward"],
  tensors: readonly TensorSpec[],
): LayerSpec {
  return { index, mixers, feedForward, kvSharedWith: null, sideCaches: [], tensors };
}

/** Layers 0 … n-1, then the multi-token-prediction blocks, which are a layer and the tensors that join it on. */
export function layOut(decoder: Decoder, build: (layer: number) => LayerSpec): Pick<Blocks, "layers" | "mtpLayers"> {
  const { layerCount, mtpCount } = decoder;
  const mtp = (layer: LayerSpec): LayerSpec => ({
    ...layer,
    tensors: [...layer.tensors, ...nextnTensors(layer.index, decoder)],
  });
  return {
    layers: Array.from({ length: layerCount }, (_, index) => build(index)),
    mtpLayers: Array.from({ length: mtpCount }, (_, index) => mtp(build(layerCount + index))),
  };
}
