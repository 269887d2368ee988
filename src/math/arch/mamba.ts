/**
 * Mamba 2's mixer, alone in a layer (mamba2) or beside attention (falcon-h1).
 * @source llama.cpp src/models/mamba2.cpp, falcon-h1.cpp, src/llama-hparams.cpp n_embd_r, n_embd_s@v0.5.0
 */
import type { StateMixer, TensorSpec } from "../model.ts";
import { type Fields, LIMITS } from "./fields.ts";
import { blockTensor } from "./tensors.ts";

export interface Mamba2Geometry {
  readonly inner: number;
  readonly state: number;
  readonly heads: number;
  readonly groups: number;
  readonly convKernel: number;
}

export function mamba2FromGguf(fields: Fields): Mamba2Geometry {
  return checked(fields, {
    inner: fields.int("ssm.inner_size", LIMITS.width),
    state: fields.int("ssm.state_size", LIMITS.headDim),
    heads: fields.int("ssm.time_step_rank", LIMITS.heads),
    groups: fields.int("ssm.group_count", LIMITS.heads),
    convKernel: fields.int("ssm.conv_kernel", LIMITS.headDim),
  });
}

/** Heads and groups have to divide the inner width evenly. */
export function checked(fields: Fields, geometry: Mamba2Geometry): Mamba2Geometry {
  const { inner, heads, groups } = geometry;
  if (fields.problems.length === 0 && (inner % heads !== 0 || inner % groups !== 0)) {
    fields.refuse(`an inner width of ${inner} is not a multiple of ${heads} heads and ${groups} groups`);
  }
  return geometry;
}

/** Kept per sequence: (kernel - 1) x (inner + 2 x groups x state) and state x inner elements. */
export function mamba2Mixer({ inner, state, heads, groups, convKernel }: Mamba2Geometry): StateMixer {
  return {
    kind: "state",
    algorithm: "mamba2",
    convElements: (convKernel - 1) * (inner + 2 * groups * state),
    stateElements: state * inner,
    innerSize: inner,
    stateSize: state,
    heads,
    groups,
    convKernel,
    stepNormed: false,
  };
}

export function mamba2Tensors(
  layer: number,
  width: number,
  geometry: Mamba2Geometry,
  { norm, convBias }: { readonly norm: boolean; readonly convBias: boolean },
): readonly TensorSpec[] {
  const { inner, state, heads, groups, convKernel } = geometry;
  const channels = inner + 2 * groups * state;
  const list = [
    blockTensor(layer, "ssm_in.weight", [width, inner + channels + heads], "state"),
    blockTensor(layer, "ssm_conv1d.weight", [convKernel, channels], "state"),
    blockTensor(layer, "ssm_dt.bias", [heads], "state"),
    blockTensor(layer, "ssm_a", [1, heads], "state"),
    blockTensor(layer, "ssm_d", [1, heads], "state"),
    blockTensor(layer, "ssm_out.weight", [inner, width], "state"),
  ];
  if (convBias) list.push(blockTensor(layer, "ssm_conv1d.bias", [channels], "state"));
  if (norm) list.push(blockTensor(layer, "ssm_norm.weight", [inner / groups, groups], "norm"));
  return list;
}
