import type { Backend } from "../../machine.ts";
import type { AllocationRule } from "../../parts/weights.ts";

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
