/**
 * Mamba 1's mixer, alone in every layer (mamba, falcon-mamba) or in most (jamba).
 * @source llama.cpp src/models/mamba.cpp, jamba.cpp, src/llama-hparams.cpp n_embd_r, n_embd_s@v0.5.0
 */
import type { StateMixer, TensorSpec } from "../model.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { blockTensor } from "./tensors.ts";

export interface Mamba1Geometry {
  readonly inner: number;
  readonly state: number;
  /** Width of the small space in which the time step is made. */
  readonly stepRank: number;
  readonly convKernel: number;
  readonly stepNormed: boolean;
}

export function mamba1FromGguf(fields: Fields, width: number, stepNormed: boolean): Mamba1Geometry {
  return twiceTheWidth(fields, width, {
    inner: fields.int("ssm.inner_size", LIMITS.width),
    state: fields.int("ssm.state_size", LIMITS.headDim),
    stepRank: fields.int("ssm.time_step_rank", LIMITS.width),
    convKernel: fields.int("ssm.conv_kernel", LIMITS.headDim),
    stepNormed,
  });
}

/** The loader refuses any other. */
export function twiceTheWidth(fields: Fields, width: number, geometry: Mamba1Geometry): Mamba1Geometry {
  if (fields.problems.length === 0 && geometry.inner !== 2 * width) {
    fields.refuse(`an inner width of ${geometry.inner}: llama.cpp wants twice the embedding's (${2 * width})`);
  }
  return geometry;
}

/** A sixteenth of the width, rounded up, where the config gives no rank. */
export function defaultStepRank(width: number): number {
  return Math.max(1, Math.ceil(width / 16));
}

/** Kept per sequence: (kernel - 1) x inner and state x inner elements. Each channel is a head of its own. */
export function mamba1Mixer({ inner, state, convKernel, stepNormed }: Mamba1Geometry): StateMixer {
  return {
    kind: "state",
    algorithm: "mamba1",
    convElements: (convKernel - 1) * inner,
    stateElements: state * inner,
    innerSize: inner,
    stateSize: state,
    heads: inner,
    groups: 0,
    convKernel,
    stepNormed,
  };
}

/** @param norms the norms of time step, B and C have weights (jamba) */
export function mamba1Tensors(
  layer: number,
  width: number,
  { inner, state, stepRank, convKernel }: Mamba1Geometry,
  { norms }: { readonly norms: boolean },
): readonly TensorSpec[] {
  const list = [
    blockTensor(layer, "ssm_in.weight", [width, 2 * inner], "state"),
    blockTensor(layer, "ssm_conv1d.weight", [convKernel, inner], "state"),
    blockTensor(layer, "ssm_conv1d.bias", [inner], "state"),
    blockTensor(layer, "ssm_x.weight", [inner, stepRank + 2 * state], "state"),
    blockTensor(layer, "ssm_dt.weight", [stepRank, inner], "state"),
    blockTensor(layer, "ssm_dt.bias", [inner], "state"),
    blockTensor(layer, "ssm_a", [state, inner], "state"),
    blockTensor(layer, "ssm_d", [inner], "state"),
    blockTensor(layer, "ssm_out.weight", [inner, width], "state"),
  ];
  if (norms) {
    list.push(blockTensor(layer, "ssm_dt_norm.weight", [stepRank], "norm"));
    list.push(blockTensor(layer, "ssm_b_norm.weight", [state], "norm"));
    list.push(blockTensor(layer, "ssm_c_norm.weight", [state], "norm"));
  }
  return list;
}
