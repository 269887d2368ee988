/** What a plan for mlx-lm is made with, and its defaults. */
/** Every option as it was resolved. */
export interface MlxOptions {
  /** Tokens of one sequence, all of them read as one prompt: the most that this many tokens can take. */
  readonly context: number;
  readonly sequences: number;
  /** --prefill-step-size: tokens of a prompt read at once. */
  readonly step: number;
  /** --kv-bits; null: the cache is as the activations. */
  readonly kvBits: number | null;
  /** Bytes of an activation: 2, or 4 where the weights are F32. */
  readonly elementBytes: number;
  /** Kept free of the accelerator. */
  readonly reserveBytes: number;
}

/** @source mlx-lm 0.32.2 mlx_lm/generate.py DEFAULT_PREFILL_STEP_SIZE */
export const DEFAULT_STEP = 2048;
/** Values that share a scale and a bias in a quantized cache: --kv-group-size. @source mlx-lm 0.32.2 mlx_lm/generate.py */
export const KV_GROUP = 64;
/** Prompts that mlx_lm.server reads at once, and sequences that it continues at once, unless told otherwise. @source mlx-lm 0.32.2 mlx_lm/server.py */
export const PROMPTS_AT_ONCE = 8;
export const DECODES_AT_ONCE = 32;
/** The most sequences that are planned for: mlx-lm has no limit. */
export const MOST_SEQUENCES = 256;
