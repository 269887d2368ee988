/**
 * The gated delta rule's mixer (qwen3-next, qwen 3.5) and which layers have it: all but every full_attention_interval-th.
 * @source llama.cpp src/models/qwen35moe.cpp, src/llama-hparams.cpp n_embd_r, n_embd_s@v0.5.0
 */
import type { StateMixer, TensorSpec } from "../model.ts";
import type { Decoder } from "./decoder.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { blockTensor } from "./tensors.ts";

/** llama.cpp's and transformers' own, where neither key says otherwise. */
const DEFAULT_INTERVAL = 4;

export interface GatedDelta {
  readonly keyHeads: number;
  readonly valueHeads: number;
  /** Elements of a key head and of a value head: one number for llama.cpp. */
  readonly headDim: number;
  readonly convKernel: number;
  readonly recurrent: (layer: number) => boolean;
}

export function gatedDeltaFromConfig(fields: Fields): GatedDelta {
  const keyDim = fields.int("linear_key_head_dim", LIMITS.headDim);
  const valueDim = fields.int("linear_value_head_dim", LIMITS.headDim);
  if (keyDim !== valueDim) {
    fields.refuse(`linear_key_head_dim (${keyDim}) and linear_value_head_dim (${valueDim}) differ: llama.cpp has one`);
  }
  if (fields.optionalBool("attn_output_gate") === false) {
    fields.refuse("attn_output_gate is false: llama.cpp knows this architecture with the gate only");
  }
  const interval = fields.optionalInt("full_attention_interval", LIMITS.layers) ?? DEFAULT_INTERVAL;
  const types = fields.optionalList("layer_types");
  const differs = types?.some((t, i) => t !== ((i + 1) % interval === 0 ? "full_attention" : "linear_attention"));
  if (differs === true) fields.refuse(`layer_types differ from what full_attention_interval (${interval}) gives`);
  return {
    keyHeads: fields.int("linear_num_key_heads", LIMITS.heads),
    valueHeads: fields.int("linear_num_value_heads", LIMITS.heads),
    headDim: keyDim,
    convKernel: fields.int("linear_conv_kernel_dim", LIMITS.headDim),
    recurrent: periodic(interval),
  };
}

export function gatedDeltaFromGguf(fields: Fields, decoder: Decoder): GatedDelta {
  const headDim = fields.int("ssm.state_size", LIMITS.headDim);
  const valueHeads = fields.int("ssm.time_step_rank", LIMITS.heads);
  const inner = fields.int("ssm.inner_size", LIMITS.width);
  if (fields.problems.length === 0 && inner !== headDim * valueHeads) {
    fields.refuse(`ssm.inner_size is ${inner}: state_size x time_step_rank (${headDim * valueHeads}) is wanted`);
  }
  return {
    keyHeads: fields.int("ssm.group_count", LIMITS.heads),
    valueHeads,
    headDim,
    convKernel: fields.int("ssm.conv_kernel", LIMITS.headDim),
    recurrent: recurrentFromGguf(fields, decoder),
  };
}

/** Layer i has softmax attention when (i + 1) is a multiple of the interval. */
function periodic(interval: number): (layer: number) => boolean {
  return (layer) => (layer + 1) % interval !== 0;
}

/** A list with one entry for each layer stands before the interval; multi-token-prediction blocks have softmax attention. */
function recurrentFromGguf(fields: Fields, decoder: Decoder): (layer: number) => boolean {
  const key = "attention.recurrent_layers";
  const list = fields.optionalList(key);
  const { layerCount, mtpCount } = decoder;
  if (list !== null) {
    const blocks = layerCount + mtpCount;
    if (list.length < blocks) fields.refuse(`${key} has ${list.length} entries: one for each of ${blocks} is wanted`);
    return (layer) => Boolean(list[layer]);
  }
  const byInterval = periodic(fields.optionalInt("full_attention_interval", LIMITS.layers) ?? DEFAULT_INTERVAL);
  return (layer) => layer < layerCount && byInterval(layer);
}

/** The first layer with softmax attention shows how the file stores such layers. */
export function firstSoftmaxLayer(delta: GatedDelta, decoder: Decoder): number {
  for (let layer = 0; layer < decoder.layerCount; layer++) if (!delta.recurrent(layer)) return layer;
  return 0;
}

/**
 * Kept per sequence: (kernel - 1) rows of the convolution's channels, values and two times keys, and one matrix of key
 * by value dimension for each value head.
 */
export function gatedDeltaMixer(delta: GatedDelta): StateMixer {
  const { keyHeads, valueHeads, headDim, convKernel } = delta;
  const inner = valueHeads * headDim;
  return {
    kind: "state",
    algorithm: "gated-delta",
    convElements: (convKernel - 1) * (inner + 2 * keyHeads * headDim),
    stateElements: headDim * inner,
    innerSize: inner,
    stateSize: headDim,
    heads: valueHeads,
    groups: keyHeads,
    convKernel,
    stepNormed: false,
  };
}

/** What both architectures have; how the inputs are projected and alpha and beta are stored is theirs. */
export function gatedDeltaTensors(layer: number, width: number, delta: GatedDelta): readonly TensorSpec[] {
  const { keyHeads, valueHeads, headDim, convKernel } = delta;
  const inner = valueHeads * headDim;
  return [
    blockTensor(layer, "ssm_conv1d.weight", [convKernel, inner + 2 * keyHeads * headDim], "state"),
    blockTensor(layer, "ssm_dt.bias", [valueHeads], "state"),
    blockTensor(layer, "ssm_a", [valueHeads], "state"),
    blockTensor(layer, "ssm_norm.weight", [headDim], "norm"),
    blockTensor(layer, "ssm_out.weight", [inner, width], "state"),
  ];
}

/** Queries, keys and values in one matrix, the gate in another. */
export function gatedDeltaInputs(layer: number, width: number, delta: GatedDelta): readonly TensorSpec[] {
  const inner = delta.valueHeads * delta.headDim;
  return [
    blockTensor(layer, "attn_qkv.weight", [width, inner + 2 * delta.keyHeads * delta.headDim], "state"),
    blockTensor(layer, "attn_gate.weight", [width, inner], "state"),
  ];
}
