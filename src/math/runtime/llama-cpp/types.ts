/** What llama.cpp's rules pass to each other: resolved options, where each layer lies, how long its caches are. */
import type { KvType, Program, TensorOverride } from "../../options.ts";
import type { LlamaCppRules } from "./rules.ts";

/** Every option as it was resolved: nothing is left open. */
export interface LlamaCppOptions {
  /** Tokens of one sequence; with kvUnified the pool that all sequences share. */
  readonly context: number;
  readonly sequences: number;
  readonly kvUnified: boolean;
  /** n_batch: tokens submitted at once. */
  readonly batch: number;
  /** n_ubatch as given; a step computes min(ubatch, batch, n_ctx) tokens. */
  readonly ubatch: number;
  readonly program: Program;
  readonly kvTypeK: KvType;
  readonly kvTypeV: KvType;
  readonly flashAttention: boolean;
  readonly swaFull: boolean;
  /** n_gpu_layers: of all layers, MTP blocks counted, plus one for the output layer. */
  readonly gpuLayers: number;
  /** Experts of the first N layers in system memory. */
  readonly cpuMoeLayers: number;
  readonly splitMode: "layer" | "none" | "row";
  /** Fractions by accelerator; null = by free memory. */
  readonly tensorSplit: readonly number[] | null;
  readonly overrideTensor: readonly TensorOverride[];
  /** Kept free on each accelerator. */
  readonly reserveBytes: number;
  /** Kept free of system memory where there is no accelerator, when a person said so. Absent: nothing. */
  readonly hostReserveBytes?: number;
  /** n_outputs_max: rows of logits that one step may ask for. */
  readonly outputs: number;
  /** Tokens drafted at a time by a second model or the model's own heads; left out: none. */
  readonly draftTokens?: number;
  /** Of the build that is planned for. */
  readonly rules: LlamaCppRules;
  /** false: an encoder, every token of a step sees every other. Absent: true. */
  readonly causal?: false;
}

/** Lengths of the caches, in cells. @source memory rules of llama.cpp src/llama-kv-cache.cpp, see caches.ts */
export interface CacheShape {
  /** llama.cpp's n_ctx: all streams together. */
  readonly contextTotal: number;
  readonly streams: number;
  /** Cells of one stream of a full-attention layer. */
  readonly cells: number;
  /** Tokens computed in one step: min(ubatch, batch, n_ctx). */
  readonly stepTokens: number;
  /** Cells of one stream of a layer with this window. */
  readonly windowCells: (window: number) => number;
}

/** Device numbers: 0 … n-1 are the machine's accelerators, HOST is system memory. */
export const HOST = -1;

export interface Placement {
  /** Device of each of model.layers, HOST or an accelerator. */
  readonly layerDevice: Int16Array;
  /** Device of the output norm and head. */
  readonly outputDevice: number;
  /** 1 where the layer's routed experts are kept in system memory although the layer is on an accelerator. */
  readonly expertsOnHost: Uint8Array;
  /** llama.cpp keeps four copies of a step's inputs: > 1 accelerator, everything offloaded, split by layer, no override. */
  readonly pipelined: boolean;
  /** All layers and the output lie on accelerators. */
  readonly allOffloaded: boolean;
}

export interface ComputeBuffers {
  /** By accelerator. */
  readonly devices: readonly number[];
  /** The host's (CPU, or the first GPU's pinned buffer). */
  readonly host: number;
}
