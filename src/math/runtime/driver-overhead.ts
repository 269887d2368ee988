import type { Backend } from "../machine.ts";
import { MIB } from "../units.ts";

export interface Overhead {
  readonly low: number;
  readonly mid: number;
  readonly high: number;
}

/**
 * What a process takes on an accelerator outside an engine's own buffers: driver context and kernels.
 * Reported for llama.cpp, and taken for the other engines that say nothing of it.
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
