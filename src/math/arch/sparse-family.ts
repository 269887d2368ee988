/** Ordinary attention, then experts: what many families are, each saying only how it differs. */
import type { FeedForward, LayerSpec, TensorSpec } from "../model.ts";
import {
  type Decoder,
  decoderFromConfig,
  decoderFromGguf,
  type HeadTraits,
  lacks,
  outsideTensors,
  PLAIN_HEAD,
} from "./decoder.ts";
import type { FamilyId } from "./families.ts";
import type { ArchFamily, GgufHeader } from "./family.ts";
import { defineFamily, layOut } from "./family-builder.ts";
import type { Fields } from "./fields.ts";
import { headsFromConfig, headsFromGguf } from "./heads.ts";
import { type ExpertKeys, sparseFromGguf } from "./sparse.ts";
import {
  headFromGguf,
  type LayerTraits,
  PLAIN_LAYER,
  type StandardDecoder,
  type StandardShape,
  standardLayer,
  traitsFromGguf,
} from "./standard.ts";
import { blockTensor } from "./tensors.ts";

export interface SparseDefinition {
  readonly id: FamilyId;
  readonly modelTypes: readonly string[];
  readonly architecture: string;
  readonly tiedByDefault?: boolean;
  /** Values of the config class for fields that a config leaves out, or that it has under other names. */
  readonly defaults?: (fields: Fields) => Readonly<Record<string, unknown>>;
  readonly norms: readonly string[];
  readonly mixer?: StandardShape["mixer"];
  /** What a config says of biases and norms, and what a file without its tensor list has. */
  readonly traits?: Partial<LayerTraits>;
  readonly configTraits?: (fields: Fields) => Partial<LayerTraits>;
  readonly configHead?: (fields: Fields) => HeadTraits;
  readonly experts: (fields: Fields, decoder: Decoder) => readonly FeedForward[];
  /** How the metadata tell the same; a function where no key does. */
  readonly metadata: ExpertKeys | ((fields: Fields, decoder: Decoder, header: GgufHeader) => readonly FeedForward[]);
  /** A layer's tensors beside the ordinary ones; one of the same name stands in its place. */
  readonly more?: (geometry: StandardDecoder, layer: LayerSpec) => readonly TensorSpec[];
  readonly outside?: (geometry: StandardDecoder) => readonly TensorSpec[];
  /** How many of the first layers get an image's features. */
  readonly imageLayers?: (fields: Fields, from: "config" | "gguf") => number;
}

interface Sparse extends StandardDecoder {
  readonly imageLayers: number;
}

export function defineSparse(definition: SparseDefinition): ArchFamily {
  const { id, architecture, metadata, norms, tiedByDefault = false, mixer } = definition;
  const plain: LayerTraits = { ...PLAIN_LAYER, ...definition.traits };
  const shape: StandardShape = mixer === undefined ? { norms } : { norms, mixer };

  function build(geometry: Sparse, index: number): LayerSpec {
    const plainLayer = standardLayer(geometry, shape, index);
    const layer = index < geometry.imageLayers ? { ...plainLayer, imageFeatures: true as const } : plainLayer;
    const more = definition.more?.(geometry, layer) ?? [];
    if (more.length === 0) return layer;
    const names = new Set(more.map(({ name }) => name));
    return { ...layer, tensors: [...layer.tensors.filter(({ name }) => !names.has(name)), ...more] };
  }

  return defineFamily<Sparse>({
    id,
    modelTypes: definition.modelTypes,
    ggufArchitectures: [architecture],
    readConfig: (fields) => {
      fields.assume(definition.defaults?.(fields) ?? {});
      const decoder = decoderFromConfig(fields, id, architecture, { tiedByDefault });
      return {
        ...decoder,
        heads: headsFromConfig(fields, decoder),
        feedForward: definition.experts(fields, decoder),
        traits: { ...plain, ...definition.configTraits?.(fields) },
        head: definition.configHead?.(fields) ?? PLAIN_HEAD,
        imageLayers: definition.imageLayers?.(fields, "config") ?? 0,
      };
    },
    readGguf: (fields, header) => {
      const decoder = decoderFromGguf(fields, header, id, { tiedByDefault });
      const feedForward =
        typeof metadata === "function" ? metadata(fields, decoder, header) : sparseFromGguf(fields, decoder, metadata);
      const sparse = feedForward.findIndex(({ kind }) => kind === "moe");
      const traits = traitsFromGguf(header, plain, Math.max(0, sparse));
      const qkNorm = plain.qkNorm && lacks(header, "blk.0.attn_q_norm.weight") !== true;
      return {
        ...decoder,
        heads: headsFromGguf(fields, decoder),
        feedForward,
        traits: { ...traits, qkNorm },
        head: headFromGguf(header),
        imageLayers: definition.imageLayers?.(fields, "gguf") ?? 0,
      };
    },
    build: (geometry) => ({
      ...layOut(geometry, (index) => build(geometry, index)),
      outside: [...outsideTensors(geometry, geometry.head), ...(definition.outside?.(geometry) ?? [])],
    }),
  });
}

/** Biases of the norms whose names are given. */
export function normBiases(width: number, { index }: LayerSpec, names: readonly string[]): readonly TensorSpec[] {
  return names.map((name) => blockTensor(index, `${name}.bias`, [width], "norm"));
}
