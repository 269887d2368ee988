/** SGLang's settings by the size of a GPU: tokens of a step, batch sizes of CUDA graphs, share of the memory for weights and caches. */
import { MIB } from "../../units.ts";

export interface GpuSettings {
  /** chunked_prefill_size. */
  readonly chunk: number;
  /** Largest batch of a decode step that is captured as a graph. */
  readonly graphBatch: number;
}

/** @source SGLang v0.5.23 srt/arg_groups/memory_hook.py handle_gpu_memory_settings */
export function settingsFor(memoryBytes: number | null, tensorRanks: number): GpuSettings {
  if (memoryBytes === null) return { chunk: 4096, graphBatch: 160 };
  const mib = memoryBytes / MIB;
  const many = tensorRanks >= 4;
  if (mib < 20 * 1024) return { chunk: 2048, graphBatch: 8 };
  if (mib < 35 * 1024) return { chunk: 4096, graphBatch: many ? 160 : 48 };
  if (mib < 60 * 1024) return { chunk: 4096, graphBatch: many ? 160 : 32 };
  if (mib < 160 * 1024) return { chunk: 8192, graphBatch: many ? 512 : 256 };
  return { chunk: 16_384, graphBatch: 512 };
}

/** Token counts of prefill steps that are captured: 4 to 32 by 4, to 256 by 16, to 512 by 32, to 1024 by 64, to 4096 by 256, then by 512. */
const PREFILL_STEPS: readonly (readonly [number, number, number])[] = [
  [4, 32, 4],
  [48, 256, 16],
  [288, 512, 32],
  [576, 1024, 64],
  [1280, 4096, 256],
];

/** @source SGLang v0.5.23 srt/arg_groups/cuda_graph_hook.py generate_prefill_cuda_graph_batch_sizes */
export function prefillGraphs(most: number): number {
  let count = 0;
  for (const [from, to, step] of PREFILL_STEPS) for (let size = from; size <= Math.min(to, most); size += step) count++;
  for (let size = 4608; size <= most; size += 512) count++;
  return count;
}

export interface ReserveFor {
  readonly memoryBytes: number;
  readonly chunk: number;
  readonly graphBatch: number;
  /** Tensor-parallel ranks x pipeline stages. */
  readonly ranks: number;
  readonly latent: boolean;
}

/** A decode graph's memory for each sequence of its batch, and a prefill graph's for each size, in MiB. */
const DECODE_GRAPH_MIB = 2;
const PREFILL_GRAPH_MIB = 8;
const LATENT_GRAPHS_MIB = 1536;
/** Above 60 GiB never less than this is kept. */
const LARGE_GPU_MIB = 60 * 1024;
const LARGE_RESERVE_MIB = 10 * 1024;

/** MiB of graphs that SGLang reckons with. @source memory_hook.py reserve_for_graph_mb */
export function graphMib({ chunk, graphBatch, latent }: Pick<ReserveFor, "chunk" | "graphBatch" | "latent">): number {
  return graphBatch * DECODE_GRAPH_MIB + (latent ? LATENT_GRAPHS_MIB : prefillGraphs(chunk) * PREFILL_GRAPH_MIB);
}

/**
 * mem_fraction_static = (memory - reserve) / memory, to three decimals; reserve in MiB = 512 + 1.5 x tokens of a step
 * + 128 x ranks + graphs.
 * @source SGLang v0.5.23 srt/arg_groups/memory_hook.py, with SGLANG_ENABLE_POST_CAPTURE_KV_SIZING off, as it is
 */
export function staticFraction(asked: ReserveFor): number {
  const { memoryBytes, chunk, ranks } = asked;
  const memory = memoryBytes / MIB;
  let reserve = 512 + Math.max(chunk, 2048) * 1.5 + (ranks / 8) * 1024 + graphMib(asked);
  if (memory > LARGE_GPU_MIB) reserve = Math.max(reserve, LARGE_RESERVE_MIB);
  return Math.round(((memory - reserve) / memory) * 1000) / 1000;
}

/** Tokens of windowed layers for each token of the others. @source srt/arg_groups/fields/schedule.py swa_full_tokens_ratio */
export const WINDOW_RATIO = 0.8;
/** States' share of the pool, for one share of the keys and values. @source the same, mamba_full_memory_ratio */
export const STATE_RATIO = 0.9;
/** Slots of state for each running request, with the radix cache. @source srt/mem_cache/kv_cache_configurator.py _calculate_mamba_ratio */
export const STATE_SLOTS = 3;

/** Models whose windowed layers get a pool of their own; others keep all tokens in all layers. @source srt/configs/model_config.py is_hybrid_swa_model */
const WINDOW_POOLS =
  /^(?:gpt_oss|llama4|llama4_text|gemma4|gemma4_text|gemma4_unified|gemma4_unified_text|mimo_v2|mimo_v2_flash|step3p5|step3p7|laguna|mellum|granite_swa|granite_moe_swa)/;

export function hasWindowPool(modelType: string | null): boolean {
  return modelType !== null && WINDOW_POOLS.test(modelType);
}
