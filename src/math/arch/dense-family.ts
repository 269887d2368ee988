/** Ordinary attention and one dense block in each layer: what many families are, each saying only how it differs. */
import type { AttentionMixer, FeedForward, LayerSpec, TensorSpec } from "../model.ts";
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
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromConfig, headsFromGguf } from "./heads.ts";
import {
  everyLayer,
  headFromGguf,
  type LayerTraits,
  PLAIN_LAYER,
  type StandardDecoder,
  standardLayer,
  traitsFromGguf,
} from "./standard.ts";
import { blockTensor } from "./tensors.ts";

export interface DenseDecoder extends StandardDecoder {
  /** Beside what the traits say, a vector of the norm's bias for each norm. */
  readonly normBias: boolean;
  readonly mixerTraits: MixerTraits;
  /** Which of the family's optional tensors each layer has. */
  readonly optional: ReadonlySet<string>;
  /** The first so many layers are given features of images. */
  readonly imageLayers: number;
}

/** How a layer's mixer differs from attention over everything. */
export type MixerTraits = (layer: number) => Partial<AttentionMixer>;

export interface DenseDefinition {
  readonly id: FamilyId;
  readonly modelTypes: readonly string[];
  readonly architecture: string;
  /**
   * What a config that does not say means; "always": llama.cpp computes with the embedding whatever is said; "never": it
   * does not load the model without a head of its own.
   */
  readonly tied?: boolean | "always" | "never";
  /** Values of the config class for fields that a config leaves out. */
  readonly defaults?: Readonly<Record<string, unknown>>;
  /** Names that the config has for fields, by the names they are read under. */
  readonly aliases?: Readonly<Record<string, readonly string[]>>;
  readonly norms: readonly string[];
  readonly normBias?: boolean;
  /** One matrix up and no gate. */
  readonly ungated?: boolean;
  readonly fusedGateUp?: boolean;
  /** What layers have where neither config nor tensor list says otherwise. */
  readonly traits?: Partial<LayerTraits>;
  readonly configTraits?: (fields: Fields) => Partial<LayerTraits>;
  readonly configHead?: (fields: Fields, heads: Heads) => Partial<HeadTraits>;
  /** Width of the dense block; `intermediate_size` where left out. */
  readonly width?: (fields: Fields, decoder: Decoder) => number;
  /** The blocks, where they are not dense and alike. */
  readonly blocks?: (fields: Fields, decoder: Decoder, from: "config" | "gguf") => readonly FeedForward[] | null;
  readonly configHeads?: (fields: Fields, decoder: Decoder) => Heads;
  readonly configMixer?: (fields: Fields, decoder: Decoder) => MixerTraits;
  readonly ggufMixer?: (fields: Fields, decoder: Decoder, header: GgufHeader) => MixerTraits;
  /** Tensors that some models of the family have, named as in layer 0, and which of them a config or bare metadata mean. */
  readonly optional?: {
    readonly names: readonly string[];
    readonly config: (fields: Fields) => readonly string[];
    readonly unlisted: (fields: Fields) => readonly string[];
  };
  /** How many of the first layers are given features of images. */
  readonly imageLayers?: (fields: Fields, from: "config" | "gguf") => number;
  /** A layer's tensors beside the ordinary ones. */
  readonly more?: (geometry: DenseDecoder, layer: LayerSpec) => readonly TensorSpec[];
  /** The tensors outside layers, made of the ordinary ones. */
  readonly outside?: (geometry: DenseDecoder, ordinary: readonly TensorSpec[]) => readonly TensorSpec[];
}

const NO_TRAITS: MixerTraits = () => ({});

export function defineDense(definition: DenseDefinition): ArchFamily {
  const { id, architecture, norms, tied = false, normBias = false, ungated = false, fusedGateUp = false } = definition;
  const plain: LayerTraits = { ...PLAIN_LAYER, ...definition.traits };
  const tiedByDefault = tied === true || tied === "always";
  const always = tied === "always";
  const block = (width: number): FeedForward => ({ kind: "dense", width, gated: !ungated, fusedGateUp });
  const withTie = (decoder: Decoder): Decoder => (always ? { ...decoder, tied: true } : decoder);

  function build(geometry: DenseDecoder, index: number): LayerSpec {
    const mixer = (heads: Heads, i: number, traits: Partial<AttentionMixer>): AttentionMixer =>
      attention(heads, i, { ...traits, ...geometry.mixerTraits(i) });
    const layer = standardLayer(geometry, { norms, mixer }, index);
    const biases = geometry.normBias
      ? norms.map((name) => blockTensor(index, `${name}.bias`, [geometry.embedding], "norm"))
      : [];
    const tensors = [...layer.tensors, ...biases, ...(definition.more?.(geometry, layer) ?? [])];
    return { ...layer, ...(index < geometry.imageLayers && { imageFeatures: true as const }), tensors };
  }

  return defineFamily<DenseDecoder>({
    id,
    modelTypes: definition.modelTypes,
    ggufArchitectures: [architecture],
    readConfig: (fields) => {
      assume(fields, definition);
      const decoder = withTie(decoderFromConfig(fields, id, architecture, { tiedByDefault }));
      if (tied === "never" && decoder.tied) {
        fields.refuse(`the head is the embedding: llama.cpp's ${architecture} wants a head of its own`);
      }
      const heads = (definition.configHeads ?? headsFromConfig)(fields, decoder);
      return {
        ...decoder,
        heads,
        feedForward:
          definition.blocks?.(fields, decoder, "config") ??
          everyLayer(decoder, block(configWidth(fields, decoder, definition))),
        traits: { ...plain, ...definition.configTraits?.(fields) },
        head: { ...PLAIN_HEAD, normBias, ...definition.configHead?.(fields, heads) },
        normBias,
        mixerTraits: definition.configMixer?.(fields, decoder) ?? NO_TRAITS,
        optional: new Set(definition.optional?.config(fields)),
        imageLayers: definition.imageLayers?.(fields, "config") ?? 0,
      };
    },
    readGguf: (fields, header) => {
      const decoder = withTie(decoderFromGguf(fields, header, id, { tiedByDefault }));
      const blocks = decoder.layerCount + decoder.mtpCount;
      return {
        ...decoder,
        heads: headsFromGguf(fields, decoder),
        feedForward:
          definition.blocks?.(fields, decoder, "gguf") ??
          fields.perLayer("feed_forward_length", blocks, LIMITS.width).map(block),
        traits: traitsFromGguf(header, plain),
        head: {
          ...headFromGguf(header),
          normBias: header.tensors.length === 0 ? normBias : headFromGguf(header).normBias,
        },
        normBias,
        mixerTraits: definition.ggufMixer?.(fields, decoder, header) ?? NO_TRAITS,
        optional: new Set(optionalInFile(fields, header, definition)),
        imageLayers: definition.imageLayers?.(fields, "gguf") ?? 0,
      };
    },
    build: (geometry) => {
      const ordinary = outsideTensors(geometry, geometry.head);
      return {
        ...layOut(geometry, (index) => build(geometry, index)),
        outside: definition.outside?.(geometry, ordinary) ?? ordinary,
      };
    },
  });
}

function optionalInFile(fields: Fields, header: GgufHeader, { optional }: DenseDefinition): readonly string[] {
  if (optional === undefined) return [];
  if (header.tensors.length === 0) return optional.unlisted(fields);
  return optional.names.filter((name) => lacks(header, `blk.0.${name}`) === false);
}

function configWidth(fields: Fields, decoder: Decoder, { width }: DenseDefinition): number {
  return width?.(fields, decoder) ?? fields.int("intermediate_size", LIMITS.width);
}

function assume(fields: Fields, { defaults, aliases }: DenseDefinition): void {
  fields.assume(defaults ?? {});
  for (const [name, others] of Object.entries(aliases ?? {})) {
    const alias = fields.has(name) ? undefined : others.find((other) => fields.has(other));
    if (alias !== undefined) fields.assume({ [name]: fields.optionalInt(alias, orNone(LIMITS.context)) });
  }
}

/** Four times the embedding: what converters write for the older families, whatever the config says. */
export function fourfold(_: Fields, decoder: Decoder): number {
  return 4 * decoder.embedding;
}
