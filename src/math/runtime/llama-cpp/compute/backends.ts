/** What a back-end adds to the sizes that ggml's allocator hands out. */

import { GGML_TYPES, type GgmlType, isQuantized } from "../../../ggml-types.ts";
import type { Backend } from "../../../machine.ts";
import type { AllocationRule } from "../../../parts/weights.ts";
import { ALLOCATION } from "../allocation.ts";
import { type Extent, type Size, sizeOf } from "./graph.ts";

/** Memory that a back-end takes inside a node, for the length of the node. */
export type ScratchRule =
  | "none"
  /** Keys and values that are not F16 are converted, one layer at a time, inside flash attention. */
  | "f16"
  /** Metal: flash attention always keeps room for F16 keys and values, and for partial results; so do sorts and experts. */
  | "metal";

export interface BufferRule extends AllocationRule {
  readonly scratch: ScratchRule;
  /** Which operations an accelerator takes over when their weight lies on the host. */
  readonly offloads: "all" | "matmul";
}

/**
 * @source ggml/src/ggml-cuda/fattn.cu ggml_cuda_flash_attn_ext_get_alloc_size, ggml/src/ggml-metal/ggml-metal.cpp
 *   ggml_backend_metal_buffer_type_get_alloc_size, ggml_backend_metal_device_offload_op, ggml/src/ggml-vulkan at llama.cpp v0.5.0
 */
const ADDED: Readonly<Record<Backend, Pick<BufferRule, "scratch" | "offloads">>> = {
  cuda: { scratch: "f16", offloads: "all" },
  rocm: { scratch: "f16", offloads: "all" },
  metal: { scratch: "metal", offloads: "matmul" },
  vulkan: { scratch: "none", offloads: "all" },
  cpu: { scratch: "none", offloads: "all" },
};

export function bufferRule(backend: Backend): BufferRule {
  return { ...ALLOCATION[backend], ...ADDED[backend] };
}

/** What a node needs inside, as far as back-ends differ over it. */
export type Scratch =
  | {
      readonly kind: "attention";
      readonly keyType: GgmlType;
      readonly valueType: GgmlType;
      /** Elements of all heads' keys in one cell; values 0: they are a view of the keys. */
      readonly keyWidth: number;
      readonly valueWidth: number;
      readonly cells: Extent;
      readonly streams: number;
      /** Tokens of one stream. */
      readonly tokens: number;
      readonly heads: number;
      /** Elements of one head of the output. */
      readonly headWidth: number;
    }
  | { readonly kind: "experts"; readonly experts: number; readonly tokens: number }
  | { readonly kind: "sort"; readonly bytes: number };

const NOTHING: Size = { fixed: 0, full: 0, window: 0 };

/** Lanes and blocks of Metal's flash attention. @source ggml/src/ggml-metal/ggml-metal-impl.h at llama.cpp v0.5.0 */
const METAL_CELLS = 64;
const METAL_QUERIES = 8;
const METAL_GROUPS = 32;
const METAL_SCALES = 8 + 256 * 4;

/**
 * Bytes that a node takes beside its result.
 *   CUDA, ROCm:  2 B x cells x (K + V elements), of those that are not F16
 *   Metal:       2 B x cells x (K + V elements) always; 64 cells' padding; a byte per block of 64 cells and 8 queries;
 *                4 B x 32 groups x min(T, 32) x heads x (D + 2)
 * A block's byte is counted as cells / 64, not rounded up: cells are a multiple of 256.
 */
export function scratchSize(scratch: Scratch, rule: ScratchRule): Size {
  if (rule === "none") return NOTHING;
  if (scratch.kind === "sort") return rule === "metal" ? sizeOf(scratch.bytes, []) : NOTHING;
  if (scratch.kind === "experts") {
    return rule === "metal" ? sizeOf(4 * scratch.experts * (1 + scratch.tokens) + METAL_SCALES, []) : NOTHING;
  }
  const { keyType, valueType, keyWidth, valueWidth, cells, streams, tokens, heads, headWidth } = scratch;
  const always = rule === "metal";
  const converted = (always || keyType !== "F16" ? keyWidth : 0) + (always || valueType !== "F16" ? valueWidth : 0);
  const f16 = sizeOf(2, [converted, streams, cells]);
  if (!always) return f16;
  const groups = 4 * METAL_GROUPS * Math.min(tokens, METAL_GROUPS) * heads * streams * (headWidth + 2);
  const padding = METAL_CELLS * 2 * ((keyWidth + valueWidth) * streams + tokens * streams);
  const blocks = sizeOf((Math.ceil(tokens / METAL_QUERIES) * streams) / METAL_CELLS, [cells]);
  return { fixed: groups + padding, full: f16.full + blocks.full, window: f16.window + blocks.window };
}

/** Bytes that fill up the last row of a quantized tensor; of a view of one head, what is filled up may be no whole block. */
export function rowPadding(type: GgmlType, row: number, rule: AllocationRule): number {
  const over = row % rule.quantizedRowMultiple;
  if (over === 0 || !isQuantized(type)) return 0;
  const { blockBytes, blockElements } = GGML_TYPES[type];
  return Math.floor((blockBytes * (rule.quantizedRowMultiple - over)) / blockElements);
}
