/**
 * deci, nemotron-nas (Llama Nemotron 51B, Super 49B, Ultra 253B): llama's block, from which a search took attention, or put a
 * matrix in its place, or narrowed the dense block, layer by layer.
 * @source llama.cpp src/models/deci.cpp, conversion/deci.py@v0.5.0
 */
import type { FeedForward, LayerSpec, TensorSpec } from "../model.ts";
import {
  type Decoder,
  decoderFromConfig,
  decoderFromGguf,
  type HeadTraits,
  outsideTensors,
  PLAIN_HEAD,
} from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut } from "./family-builder.ts";
import { type Fields, isRecord, LIMITS, orNone } from "./fields.ts";
import { attention } from "./heads.ts";
import { llama3Freqs } from "./rope.ts";
import { gatedDense, headFromGguf } from "./standard.ts";
import { attentionTensors, blockTensor, denseTensors, norms } from "./tensors.ts";

interface Deci extends Decoder {
  /** By layer; 0: no attention, and with no heads of K and V alone a matrix in its place. */
  readonly heads: readonly number[];
  readonly kvHeads: readonly number[];
  readonly headDim: number;
  /** By layer; 0: no dense block. */
  readonly widths: readonly number[];
  readonly head: HeadTraits;
}

const PLAIN_ATTENTION = { qkvBias: false, outputBias: false, qkNorm: false };

function layer(geometry: Deci, index: number): LayerSpec {
  const { embedding, heads, kvHeads, headDim, widths } = geometry;
  const [queries, groups, width] = [heads[index] ?? 0, kvHeads[index] ?? 0, widths[index] ?? 0];
  const tensors: TensorSpec[] = queries > 0 ? [...norms(index, embedding, ["attn_norm"])] : [];
  const sizes = { heads, kvHeads, headDimK: headDim, headDimV: headDim };
  const mixers = groups > 0 ? [attention(sizes, index)] : [];
  for (const mixer of mixers) tensors.push(...attentionTensors(index, embedding, mixer, PLAIN_ATTENTION));
  if (queries > 0 && groups === 0) {
    tensors.push(blockTensor(index, "attn_output.weight", [embedding, embedding], "attention"));
  }
  const dense = width > 0 ? gatedDense(width) : null;
  if (dense !== null) tensors.push(...norms(index, embedding, ["ffn_norm"]), ...denseTensors(index, embedding, dense));
  const feedForward: FeedForward = dense ?? { kind: "none" };
  const plain = { index, mixers, feedForward, kvSharedWith: null, sideCaches: [], tensors };
  return groups > 0 ? plain : { ...plain, emptyCache: true };
}

const ROUNDED_TO = 256;

/** Two thirds of the embedding times the factor, rounded up. */
function widthOf(fields: Fields, factor: unknown, embedding: number): number {
  if (factor === null || factor === undefined) return 0;
  if (typeof factor !== "number" || !(factor > 0) || factor > 64) {
    fields.refuse(`ffn_mult is ${String(factor)}: a number from 0 to 64 is wanted`);
    return 0;
  }
  return ROUNDED_TO * Math.ceil(Math.trunc((2 * factor * embedding) / 3) / ROUNDED_TO);
}

interface Blocks {
  readonly heads: number[];
  readonly kvHeads: number[];
  readonly widths: number[];
}

function fromBlocks(fields: Fields, decoder: Decoder, all: number, blocks: readonly unknown[]): Blocks {
  const made: Blocks = { heads: [], kvHeads: [], widths: [] };
  if (blocks.length !== decoder.layerCount) {
    fields.refuse(`block_configs has ${blocks.length} entries: one for each of ${decoder.layerCount} layers is wanted`);
  }
  for (const block of blocks.slice(0, decoder.layerCount)) {
    const mix = isRecord(block) && isRecord(block.attention) ? block.attention : {};
    const dense = isRecord(block) && isRecord(block.ffn) ? block.ffn : {};
    if (dense.replace_with_linear === true)
      fields.refuse("ffn.replace_with_linear is true: llama.cpp has no such block");
    const group = mix.n_heads_in_group ?? null;
    if (group !== null && (typeof group !== "number" || !Number.isInteger(group) || group < 1 || all % group !== 0)) {
      fields.refuse(`n_heads_in_group is ${String(group)}: a divisor of num_attention_heads (${all}) is wanted`);
    }
    made.kvHeads.push(typeof group === "number" && group > 0 ? Math.max(1, Math.floor(all / group)) : 0);
    made.heads.push(group === null && mix.replace_with_linear !== true ? 0 : all);
    made.widths.push(widthOf(fields, dense.ffn_mult, decoder.embedding));
  }
  return made;
}

function readConfig(fields: Fields): Deci {
  const decoder = decoderFromConfig(fields, "deci", "deci", { tiedByDefault: false });
  const all = fields.int("num_attention_heads", LIMITS.heads);
  const headDim = Math.max(1, Math.floor(decoder.embedding / all));
  if (decoder.embedding % all !== 0)
    fields.refuse(`hidden_size (${decoder.embedding}) is not a multiple of ${all} heads`);
  const blocks = fields.optionalList("block_configs");
  const list = blocks === null ? plainBlocks(fields, decoder, all) : fromBlocks(fields, decoder, all, blocks);
  const head = { ...PLAIN_HEAD, ...llama3Freqs(fields, { ...list, headDimK: headDim, headDimV: headDim }) };
  return { ...decoder, ...list, headDim, head };
}

/** DeciLM 6b and 7b: attention everywhere, with heads of K and V by layer. */
function plainBlocks(fields: Fields, decoder: Decoder, all: number): Blocks {
  const key = fields.has("num_key_value_heads_per_layer") ? "num_key_value_heads_per_layer" : "num_key_value_heads";
  const kvHeads = [...fields.perLayer(key, decoder.layerCount, LIMITS.heads)];
  const width = fields.int("intermediate_size", LIMITS.width);
  const each = (value: number): number[] => Array.from({ length: decoder.layerCount }, () => value);
  return { heads: each(all), kvHeads, widths: each(width) };
}

function readGguf(fields: Fields, header: GgufHeader): Deci {
  const decoder = decoderFromGguf(fields, header, "deci", { tiedByDefault: false });
  const { layerCount } = decoder;
  const heads = fields.perLayer("attention.head_count", layerCount, orNone(LIMITS.heads));
  const kvHeads = fields.optionalPerLayer("attention.head_count_kv", layerCount, orNone(LIMITS.heads)) ?? heads;
  const widest = Math.max(1, heads[0] ?? 1);
  const odd = kvHeads.findIndex((count, i) => count > 0 && ((heads[i] ?? 0) === 0 || (heads[i] ?? 0) % count !== 0));
  if (odd >= 0) {
    fields.refuse(`layer ${odd} has ${heads[odd]} heads and ${kvHeads[odd]} of keys and values: a multiple is wanted`);
  }
  return {
    ...decoder,
    heads,
    kvHeads,
    headDim:
      fields.optionalInt("attention.key_length", LIMITS.headDim) ?? Math.max(1, Math.floor(decoder.embedding / widest)),
    widths: fields.perLayer("feed_forward_length", layerCount, orNone(LIMITS.width)),
    head: headFromGguf(header),
  };
}

export const deci = defineFamily<Deci>({
  id: "deci",
  modelTypes: ["nemotron-nas", "deci"],
  ggufArchitectures: ["deci"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry, geometry.head),
  }),
});
