/** What PyTorch's caching allocator counts as allocated for one tensor. */
import { MIB } from "../../units.ts";

const SMALLEST = 512;
/** Tensors above this get a segment of their own, a whole number of ROUND; smaller ones are cut from shared segments. */
const SHARED_UP_TO = 10 * MIB;
const ROUND = 2 * MIB;
/** A remainder up to this is not worth a block of its own and counts as the tensor's. */
const SMALLEST_REMAINDER = MIB;

/**
 * bytes ≤ 10 MiB: rounded up to 512; above: up to a whole number of 2 MiB where that adds at most 1 MiB, else as they are.
 * @source PyTorch v2.9 c10/cuda/CUDACachingAllocator.cpp round_size, get_allocation_size, should_split; equal to what
 *   vLLM prints for models of three sizes (tests/math/runtime/vllm/weights.test.ts)
 */
export function allocatedBytes(bytes: number): number {
  const even = Math.ceil(bytes / SMALLEST) * SMALLEST;
  if (even < SHARED_UP_TO) return even;
  const segment = Math.ceil(even / ROUND) * ROUND;
  return segment - even <= SMALLEST_REMAINDER ? segment : even;
}
