/** NVIDIA cards by their own tool, on every system that has it. */
import type { System } from "./detected.ts";
import { NVIDIA_QUERY, NVIDIA_QUERY_OLD, type NvidiaGpu, parseNvidiaSmi, visibleGpus } from "./parse-nvidia-smi.ts";

export async function probeNvidia(
  system: System,
  cudaVisible: string | null,
  programs: readonly string[],
): Promise<readonly NvidiaGpu[]> {
  for (const program of programs) {
    for (const query of [NVIDIA_QUERY, NVIDIA_QUERY_OLD]) {
      const text = await system.run(program, [`--query-gpu=${query.join(",")}`, "--format=csv,noheader,nounits"]);
      const gpus = text === null ? [] : parseNvidiaSmi(text, query);
      if (gpus.length > 0) return visibleGpus(gpus, cudaVisible);
    }
  }
  return [];
}
