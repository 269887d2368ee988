import { tensorBytes } from "../ggml-types.ts";
import type { ModelSpec, TensorSpec } from "../model.ts";
import { pad } from "../units.ts";
import { inFileOrder } from "./file-order.ts";
import { tensorsOf } from "./weights-check.ts";

/** general.alignment of a GGUF file where nothing is said. */
export const FILE_ALIGNMENT = 32;

/** Where a tensor's bytes lie; offsets count from anywhere in the shard's file, the same for all tensors of the shard. */
export interface Placed {
  readonly tensor: TensorSpec;
  readonly shard: number;
  readonly offset: number;
  readonly bytes: number;
}

const known = new WeakMap<ModelSpec, readonly Placed[]>();

/**
 * A typed model's tensors as its file has them, or as llama-quantize would write them to one file.
 * @throws {RangeError} as weights.ts, when a tensor has no type or its rows are no whole number of blocks
 */
export function fileLayout(spec: ModelSpec): readonly Placed[] {
  let layout = known.get(spec);
  if (layout === undefined) {
    layout = [...tensorsOf(spec)].every(({ at }) => at !== null) ? asRead(spec) : asWritten(spec);
    known.set(spec, layout);
  }
  return layout;
}

function bytesOf({ name, type, shape }: TensorSpec): number {
  if (type === null)
    throw new RangeError(`Cannot place "${name}": it has no type; give the model a weights choice first`);
  return tensorBytes(type, shape);
}

function asRead(spec: ModelSpec): readonly Placed[] {
  return [...tensorsOf(spec)].map((tensor) => ({
    tensor,
    shard: tensor.at?.shard ?? 0,
    offset: tensor.at?.offset ?? 0,
    bytes: bytesOf(tensor),
  }));
}

function asWritten(spec: ModelSpec): readonly Placed[] {
  let offset = 0;
  return inFileOrder(spec).map((tensor) => {
    const placed = { tensor, shard: 0, offset, bytes: bytesOf(tensor) };
    offset += pad(placed.bytes, FILE_ALIGNMENT);
    return placed;
  });
}

/**
 * Bytes of each shard that llama.cpp maps for the host's tensors (CPU_Mapped): last byte - first byte of the range that
 * spans them. Tensors of an accelerator that lie between are counted: address space, not memory in use.
 * @returns by shard; 0 for a shard without a tensor on the host
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) src/llama-model-loader.cpp#L1449, get_mapping_range
 */
export function mappedRange(spec: ModelSpec, onHost: (tensor: TensorSpec) => boolean): readonly number[] {
  const first: number[] = [];
  const last: number[] = [];
  for (const { tensor, shard, offset, bytes } of fileLayout(spec)) {
    while (first.length <= shard) {
      first.push(Number.POSITIVE_INFINITY);
      last.push(0);
    }
    if (!onHost(tensor)) continue;
    first[shard] = Math.min(first[shard] ?? 0, offset);
    last[shard] = Math.max(last[shard] ?? 0, offset + bytes);
  }
  return last.map((end, shard) => Math.max(0, end - (first[shard] ?? end)));
}
