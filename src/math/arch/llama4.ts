/**
 * llama 4: three layers that see their chunk of 8192 tokens to one that sees everything and turns neither Q nor K; experts
 * with a shared one of the same width, in each layer or in every n-th.
 * @source llama.cpp src/models/llama4.cpp, conversion/llama.py Llama4Model@v0.5.0
 */
import type { AttentionMixer, FeedForward } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, PLAIN_HEAD } from "./decoder.ts";
import { moe } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily } from "./family-builder.ts";
import { type Fields, LIMITS, orNone } from "./fields.ts";
import { attention, type Heads, headsFromConfig, headsFromGguf } from "./heads.ts";
import { isLlama3Rope } from "./rope.ts";
import { afterDense } from "./sparse.ts";
import {
  buildStandard,
  denseFromGguf,
  gatedDense,
  headFromGguf,
  PLAIN_LAYER,
  type StandardDecoder,
  traitsFromGguf,
} from "./standard.ts";
import { periodic, type Windowed, windowedFromGguf } from "./windows.ts";

const UNTIED = { tiedByDefault: false };
/** llama.cpp's own, whatever the metadata say. */
const CHUNK = 8192;
const PERIOD = 4;

interface Llama4 extends StandardDecoder {
  /** null: all layers see everything, and turn Q and K (MobileLLM). */
  readonly chunked: Windowed | null;
}

function experts(
  fields: Fields,
  expertWidth: number,
  keys: { readonly experts: string; readonly used: string },
): FeedForward {
  return moe(fields, {
    experts: fields.int(keys.experts, LIMITS.experts),
    expertsUsed: fields.int(keys.used, LIMITS.experts),
    expertWidth,
    sharedWidth: expertWidth,
    sharedGated: false,
  });
}

function everyNth(decoder: Decoder, step: number, block: FeedForward, dense: (layer: number) => FeedForward) {
  return afterDense(decoder, (layer) => (step > 0 && (layer + 1) % step === 0 ? block : dense(layer)));
}

function readConfig(fields: Fields): Llama4 {
  const decoder = decoderFromConfig(fields, "llama4", "llama4", UNTIED);
  const heads = headsFromConfig(fields, decoder);
  const chunk = fields.optionalInt("attention_chunk_size", LIMITS.context);
  if (chunk !== null && chunk !== CHUNK) {
    fields.warn(`attention_chunk_size is ${chunk}: llama.cpp takes ${CHUNK} for every model.`);
  }
  const types = fields.optionalList("layer_types");
  const allFull = types?.every((type) => type === "full_attention") === true;
  const block = experts(fields, fields.int("intermediate_size", LIMITS.width), {
    experts: "num_local_experts",
    used: "num_experts_per_tok",
  });
  const step = fields.optionalInt("interleave_moe_layer_step", orNone(LIMITS.layers)) ?? 1;
  const dense = gatedDense(step === 1 ? 1 : fields.int("intermediate_size_mlp", LIMITS.width));
  const bias = fields.optionalBool("attention_bias") ?? false;
  return {
    ...decoder,
    heads,
    feedForward: everyNth(decoder, step, block, () => dense),
    traits: { ...PLAIN_LAYER, qkvBias: bias, outputBias: bias },
    head: { ...PLAIN_HEAD, ropeFreqs: isLlama3Rope(fields) ? Math.ceil(heads.headDimK / 2) : null },
    chunked: allFull ? null : periodic(PERIOD),
  };
}

function readGguf(fields: Fields, header: GgufHeader): Llama4 {
  const decoder = decoderFromGguf(fields, header, "llama4", UNTIED);
  const block = experts(fields, fields.int("expert_feed_forward_length", LIMITS.width), {
    experts: "expert_count",
    used: "expert_used_count",
  });
  const dense = denseFromGguf(fields, decoder);
  const step = fields.int("interleave_moe_layer_step", orNone(LIMITS.layers));
  return {
    ...decoder,
    heads: headsFromGguf(fields, decoder),
    feedForward: everyNth(decoder, step, block, (layer) => dense[layer] ?? gatedDense(1)),
    traits: traitsFromGguf(header, PLAIN_LAYER),
    head: headFromGguf(header),
    chunked:
      fields.optionalInt("attention.sliding_window", orNone(LIMITS.context)) === 0
        ? null
        : windowedFromGguf(fields, decoder, PERIOD),
  };
}

function mixer({ chunked }: Llama4) {
  return (heads: Heads, layer: number, traits: Partial<AttentionMixer>): AttentionMixer => {
    const rotary = chunked === null || (layer + 1) % PERIOD !== 0;
    if (chunked?.(layer) !== true) return attention(heads, layer, { ...traits, rotary });
    return attention(heads, layer, { ...traits, rotary, kind: "chunked", window: CHUNK });
  };
}

export const llama4 = defineFamily<Llama4>({
  id: "llama4",
  modelTypes: ["llama4", "llama4_text"],
  ggufArchitectures: ["llama4"],
  readConfig,
  readGguf,
  build: (geometry) => buildStandard(geometry, { norms: ["attn_norm", "ffn_norm"], mixer: mixer(geometry) }),
});
