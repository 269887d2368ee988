/**
 * plamo 2: mamba 2 and attention by turns. The mixer makes its time step, B and C out of the convolution's output, as mamba 1
 * does. Some norms are stored without ".weight".
 * @source llama.cpp src/models/plamo2.cpp, conversion/plamo.py@v0.5.0
 */
import type { LayerSpec, StateMixer, TensorSpec } from "../model.ts";
import { type Decoder, decoderFromConfig, decoderFromGguf, outsideTensors } from "./decoder.ts";
import type { GgufHeader } from "./family.ts";
import { defineFamily, layOut, plainLayer } from "./family-builder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { attention, type Heads } from "./heads.ts";
import { hybridHeads, hybridHeadsFromGguf } from "./hybrid.ts";
import { feedForwardTensors, gatedDense, PLAIN_LAYER } from "./standard.ts";
import { attentionTensors, blockTensor, norms } from "./tensors.ts";

/** Plamo2Config's own. */
const TIED = { tiedByDefault: true };
const DEFAULTS = { mamba_step: 2, mamba_num_heads: 64, mamba_d_state: 64, mamba_d_conv: 4, hidden_size_per_head: 128 };

interface Plamo2 extends Decoder {
  readonly heads: Heads;
  readonly inner: number;
  readonly state: number;
  readonly mambaHeads: number;
  readonly convKernel: number;
  readonly width: number;
}

function layer(geometry: Plamo2, index: number): LayerSpec {
  const { heads, embedding } = geometry;
  const feedForward = gatedDense(geometry.width, true);
  const around = [
    ...norms(index, embedding, ["attn_norm", "ffn_norm"]),
    blockTensor(index, "post_attention_norm", [embedding], "norm"),
    blockTensor(index, "post_ffw_norm", [embedding], "norm"),
    ...feedForwardTensors(index, embedding, feedForward, PLAIN_LAYER),
  ];
  if ((heads.kvHeads[index] ?? 0) === 0) {
    return plainLayer(index, [mamba(geometry)], feedForward, [...around, ...mambaTensors(geometry, index)]);
  }
  const mixer = attention(heads, index, { fusedQkv: true });
  return plainLayer(index, [mixer], feedForward, [
    ...around,
    ...attentionTensors(index, embedding, mixer, PLAIN_LAYER),
    blockTensor(index, "attn_q_norm.weight", [mixer.headDimK, mixer.heads], "norm"),
    blockTensor(index, "attn_k_norm.weight", [mixer.headDimK, mixer.kvHeads], "norm"),
  ]);
}

/** No groups: the convolution's channels are the inner ones alone. */
function mamba({ inner, state, mambaHeads, convKernel }: Plamo2): StateMixer {
  return {
    kind: "state",
    algorithm: "mamba2",
    convElements: (convKernel - 1) * inner,
    stateElements: state * inner,
    innerSize: inner,
    stateSize: state,
    heads: mambaHeads,
    groups: 0,
    convKernel,
    stepNormed: true,
  };
}

function mambaTensors(
  { embedding, inner, state, mambaHeads, convKernel }: Plamo2,
  layer: number,
): readonly TensorSpec[] {
  const rank = Math.max(64, Math.floor(embedding / 16));
  return [
    blockTensor(layer, "ssm_in.weight", [embedding, 2 * inner], "state"),
    blockTensor(layer, "ssm_conv1d.weight", [convKernel, inner], "state"),
    blockTensor(layer, "ssm_x.weight", [inner, rank + 2 * state], "state"),
    blockTensor(layer, "ssm_dt.weight", [rank, mambaHeads], "state"),
    blockTensor(layer, "ssm_dt.bias", [mambaHeads], "state"),
    blockTensor(layer, "ssm_a", [mambaHeads], "state"),
    blockTensor(layer, "ssm_d", [mambaHeads], "state"),
    blockTensor(layer, "ssm_out.weight", [inner, embedding], "state"),
    blockTensor(layer, "ssm_dt_norm", [rank], "norm"),
    blockTensor(layer, "ssm_b_norm", [state], "norm"),
    blockTensor(layer, "ssm_c_norm", [state], "norm"),
  ];
}

/** Layer i is mamba's unless it is in the middle of its step; the last one of a shorter model attends. */
function attends(layerCount: number, step: number): (layer: number) => boolean {
  const middle = Math.floor(step / 2);
  return (index) => (layerCount <= middle ? index === layerCount - 1 : index % step === middle);
}

function readConfig(fields: Fields): Plamo2 {
  fields.assume(DEFAULTS);
  const decoder = decoderFromConfig(fields, "plamo2", "plamo2", TIED);
  if (fields.optionalBool("mamba_enabled") === false)
    fields.refuse("mamba_enabled is false: llama.cpp's plamo2 has mamba layers");
  const headDim = fields.int("hidden_size_per_head", LIMITS.headDim);
  const shape = {
    heads: fields.int("num_attention_heads", LIMITS.heads),
    kvHeads: fields.int("num_key_value_heads", LIMITS.heads),
    headDim,
  };
  const mambaHeads = fields.int("mamba_num_heads", LIMITS.heads);
  return {
    ...decoder,
    heads: hybridHeads(decoder, shape, attends(decoder.layerCount, fields.int("mamba_step", LIMITS.layers))),
    inner: mambaHeads * headDim,
    state: fields.int("mamba_d_state", LIMITS.headDim),
    mambaHeads,
    convKernel: fields.int("mamba_d_conv", LIMITS.headDim),
    width: fields.int("intermediate_size", LIMITS.width),
  };
}

function readGguf(fields: Fields, header: GgufHeader): Plamo2 {
  const decoder = decoderFromGguf(fields, header, "plamo2", TIED);
  const inner = fields.int("ssm.inner_size", LIMITS.width);
  const mambaHeads = fields.int("ssm.time_step_rank", LIMITS.heads);
  if (fields.problems.length === 0 && inner % mambaHeads !== 0) {
    fields.refuse(`ssm.inner_size (${inner}) is not a multiple of ssm.time_step_rank (${mambaHeads})`);
  }
  return {
    ...decoder,
    heads: hybridHeadsFromGguf(fields, decoder),
    inner,
    state: fields.int("ssm.state_size", LIMITS.headDim),
    mambaHeads,
    convKernel: fields.int("ssm.conv_kernel", LIMITS.headDim),
    width: fields.int("feed_forward_length", LIMITS.width),
  };
}

export const plamo2 = defineFamily<Plamo2>({
  id: "plamo2",
  modelTypes: ["plamo2"],
  ggufArchitectures: ["plamo2"],
  readConfig,
  readGguf,
  build: (geometry) => ({
    ...layOut(geometry, (index) => layer(geometry, index)),
    outside: outsideTensors(geometry),
  }),
});
