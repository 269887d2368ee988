/**
 * qwen 3.5 and 3.6, dense and MoE: three gated delta layers to one of gated softmax attention.
 * @source llama.cpp src/models/qwen35.cpp, qwen35moe.cpp@v0.5.0
 */
import type { FeedForward, LayerSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import { qwenExpertsFromConfig, qwenExpertsFromGguf } from "./experts.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import {
  firstSoftmaxLayer,
  type GatedDelta,
  gatedDeltaFromConfig,
  gatedDeltaFromGguf,
  gatedDeltaInputs,
  gatedDeltaMixer,
  gatedDeltaTensors,
} from "./gated-delta.ts";
import { attention, headsFromConfig, headsFromGguf } from "./heads.ts";
import {
  denseFromGguf,
  everyLayer,
  feedForwardTensors,
  gatedDense,
  PLAIN_LAYER,
  type StandardDecoder,
  standardLayer,
  traitsFromGguf,
} from "./standard.ts";
import { blockTensor, norms } from "./tensors.ts";

const UNTIED = { tiedByDefault: false };
const SHARED = { shared: true };
const TRAITS = { ...PLAIN_LAYER, qkNorm: true };
const NORMS = ["attn_norm", "post_attention_norm"];
const DENSE = "qwen35";
const MOE = "qwen35moe";

interface Qwen35 extends StandardDecoder {
  readonly delta: GatedDelta;
}

function layer(geometry: Qwen35, index: number): LayerSpec {
  const { delta, embedding, traits } = geometry;
  if (!delta.recurrent(index)) {
    const mixer: typeof attention = (heads, i, more) => attention(heads, i, { ...more, gated: true });
    return standardLayer(geometry, { norms: NORMS, mixer }, index);
  }
  const feedForward = geometry.feedForward[index] ?? { kind: "none" };
  return plainLayer(index, [gatedDeltaMixer(delta)], feedForward, [
    ...norms(index, embedding, NORMS),
    ...gatedDeltaInputs(index, embedding, delta),
    ...gatedDeltaTensors(index, embedding, delta),
    blockTensor(index, "ssm_alpha.weight", [embedding, delta.valueHeads], "state"),
    blockTensor(index, "ssm_beta.weight", [embedding, delta.valueHeads], "state"),
    ...feedForwardTensors(index, embedding, feedForward, traits),
  ]);
}

function readConfig(fields: Fields): Qwen35 {
  const isMoe = fields.optionalString("model_type")?.startsWith("qwen3_5_moe") ?? false;
  const decoder = decoderFromConfig(fields, "qwen3.5", isMoe ? MOE : DENSE, UNTIED);
  const feedForward = isMoe
    ? qwenExpertsFromConfig(fields, SHARED)
    : gatedDense(fields.int("intermediate_size", LIMITS.width));
  return {
    ...decoder,
    heads: headsFromConfig(fields, decoder),
    feedForward: everyLayer<FeedForward>(decoder, feedForward),
    traits: TRAITS,
    head: PLAIN_HEAD,
    delta: gatedDeltaFromConfig(fields),
  };
}

function readGguf(fields: Fields, header: GgufHeader): Qwen35 {
  const decoder = decoderFromGguf(fields, header, "qwen3.5", UNTIED);
  const delta = gatedDeltaFromGguf(fields, decoder);
  return {
    ...decoder,
    heads: headsFromGguf(fields, decoder),
    feedForward: ggufFeedForward(fields, decoder),
    traits: traitsFromGguf(header, TRAITS, firstSoftmaxLayer(delta, decoder)),
    head: PLAIN_HEAD,
    delta,
  };
}

function ggufFeedForward(fields: Fields, decoder: Decoder): readonly FeedForward[] {
  if (decoder.architecture === MOE) return everyLayer(decoder, qwenExpertsFromGguf(fields, SHARED));
  return denseFromGguf(fields, decoder);
}

export const qwen35 = defineFamily<Qwen35>({
  id: "qwen3.5",
  modelTypes: ["qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"],
  ggufArchitectures: [DENSE, MOE],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry),
  }),
});
