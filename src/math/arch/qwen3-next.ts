/**
 * qwen3-next: three gated delta layers to one of gated softmax attention, experts and a gated shared one in each. Files
 * from before the converter split them hold query, key, value and gate in one `ssm_in`.
 * @source llama.cpp src/models/qwen3next.cpp@v0.5.0
 */
import type { LayerSpec, TensorSpec } from "../model.ts";
import { decoderFromConfig, decoderFromGguf, lacks, outsideTensors, PLAIN_HEAD } from "./decoder.ts";
import { qwenExpertsFromConfig, qwenExpertsFromGguf } from "./experts.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
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
  everyLayer,
  feedForwardTensors,
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

interface Qwen3Next extends StandardDecoder {
  readonly delta: GatedDelta;
  readonly splitInputs: boolean;
  readonly fusedInputs: boolean;
}

function layer(geometry: Qwen3Next, index: number): LayerSpec {
  const { delta, embedding, traits } = geometry;
  if (!delta.recurrent(index)) {
    const mixer: typeof attention = (heads, i, more) => attention(heads, i, { ...more, gated: true });
    return standardLayer(geometry, { norms: NORMS, mixer }, index);
  }
  const feedForward = geometry.feedForward[index] ?? { kind: "none" };
  return plainLayer(index, [gatedDeltaMixer(delta)], feedForward, [
    ...norms(index, embedding, NORMS),
    ...inputTensors(geometry, index),
    ...gatedDeltaTensors(index, embedding, delta),
    blockTensor(index, "ssm_ba.weight", [embedding, 2 * delta.valueHeads], "state"),
    ...feedForwardTensors(index, embedding, feedForward, traits),
  ]);
}

function inputTensors({ delta, embedding, splitInputs, fusedInputs }: Qwen3Next, index: number): readonly TensorSpec[] {
  const inner = delta.valueHeads * delta.headDim;
  const rows = 2 * inner + 2 * delta.keyHeads * delta.headDim;
  return [
    ...(splitInputs ? gatedDeltaInputs(index, embedding, delta) : []),
    ...(fusedInputs ? [blockTensor(index, "ssm_in.weight", [embedding, rows], "state")] : []),
  ];
}

export const qwen3Next = defineFamily<Qwen3Next>({
  id: "qwen3-next",
  modelTypes: ["qwen3_next"],
  ggufArchitectures: ["qwen3next"],
  readConfig: (fields) => {
    const decoder = decoderFromConfig(fields, "qwen3-next", "qwen3next", UNTIED);
    return {
      ...decoder,
      heads: headsFromConfig(fields, decoder),
      feedForward: everyLayer(decoder, qwenExpertsFromConfig(fields, SHARED)),
      traits: TRAITS,
      head: PLAIN_HEAD,
      delta: gatedDeltaFromConfig(fields),
      splitInputs: true,
      fusedInputs: false,
    };
  },
  readGguf: (fields, header) => {
    const decoder = decoderFromGguf(fields, header, "qwen3-next", UNTIED);
    const delta = gatedDeltaFromGguf(fields, decoder);
    const fusedInputs = lacks(header, "blk.0.ssm_in.weight") === false;
    return {
      ...decoder,
      heads: headsFromGguf(fields, decoder),
      feedForward: everyLayer(decoder, qwenExpertsFromGguf(fields, SHARED)),
      traits: traitsFromGguf(header, TRAITS, firstSoftmaxLayer(delta, decoder)),
      head: PLAIN_HEAD,
      delta,
      splitInputs: !fusedInputs || lacks(header, "blk.0.attn_qkv.weight") === false,
      fusedInputs,
    };
  },
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry),
  }),
});
