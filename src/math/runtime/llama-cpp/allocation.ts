import type { Backend } from "../../machine.ts";
import type { AllocationRule } from "../../parts/weights.ts";
import { MIB } from "../../units.ts";

/**
 * How each back-end's buffers lay tensors out.
 *   CUDA, ROCm: 128-byte alignment, quantized rows padded to 512 elements once per tensor
 *   Metal, CPU: 32-byte alignment
 *   Vulkan: the device's minStorageBufferOffsetAlignment, 16 … 256; 128 stands for it, under 0.01 % of any model
 * @source ggml/src/ggml-cuda/ggml-cuda.cu#L900, ggml/src/ggml-backend.cpp, ggml/src/ggml-vulkan@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export const ALLOCATION: Readonly<Record<Backend, AllocationRule>> = {
  cuda: { alignment: 128, quantizedRowMultiple: 512 },
  rocm: { alignment: 128, quantizedRowMultiple: 512 },
  metal: { alignment: 32, quantizedRowMultiple: 1 },
  vulkan: { alignment: 128, quantizedRowMultiple: 1 },
  cpu: { alignment: 32, quantizedRowMultiple: 1 },
};

export interface Overhead {
  readonly low: number;
  readonly mid: number;
  readonly high: number;
}

/**
 * What a process takes on an accelerator outside llama.cpp's own buffers: driver context and kernels.
 * CUDA: 107 MiB (RTX 4060 Ti) to 555 MiB (RTX PRO 6000), about 330 on 24 GB cards, as reported in
 * ggml-org/llama.cpp#23604 and #20595 and unslothai/unsloth#6718. The other back-ends' figures are guesses until measured.
 */
export const OVERHEAD: Readonly<Record<Backend, Overhead>> = {
  cuda: { low: 107 * MIB, mid: 330 * MIB, high: 555 * MIB },
  rocm: { low: 107 * MIB, mid: 330 * MIB, high: 555 * MIB },
  vulkan: { low: 20 * MIB, mid: 64 * MIB, high: 200 * MIB },
  metal: { low: 10 * MIB, mid: 40 * MIB, high: 100 * MIB },
  cpu: { low: 0, mid: 0, high: 0 },
};
