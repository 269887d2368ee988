/** What mistral.rs's rules pass to each other. */

export interface MistralOptions {
  readonly context: number;
  readonly sequences: number;
  /** Paged attention: one pool of blocks. Without it each sequence has a cache that grows. */
  readonly paged: boolean;
  /** F16 and F32 are the CPU's; on a GPU "auto" is the model's own 16 bits. */
  readonly kvType: "auto" | "f16" | "f32" | "f8e4m3";
  readonly kvBytes: number;
  /** Bytes of an activation, and of weights that are not quantized: 4 on a CPU alone, else 2. */
  readonly typeBytes: number;
  /** --pa-memory-fraction; null: as much cache as the plan needs is asked for. */
  readonly utilization: number | null;
  readonly tensorParallel: number;
  /** Layers on accelerators; null: the automatic device map decides. */
  readonly gpuLayers: number | null;
  /** Kept free by slot: of each accelerator, or of system memory where there is none. */
  readonly reserveBytes: readonly number[];
}

/** Elements of K and of V per token that one layer caches; 0 of both: nothing. */
export interface CacheRow {
  readonly key: number;
  readonly value: number;
  /** Tokens that are kept; null: all. Paged attention keeps all of every layer. */
  readonly window: number | null;
  readonly shared: boolean;
}

export interface StateShape {
  readonly convElements: number;
  readonly stateElements: number;
  readonly stateBytes: number;
  /** Copies beside the pool's. */
  readonly extra: number;
}
