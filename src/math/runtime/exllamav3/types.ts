/** What ExLlamaV3's rules pass to each other. */

/** Bits of a quantised cache; null: 16 bits. */
export type CacheBits = { readonly k: number; readonly v: number } | null;

export interface ExllamaOptions {
  readonly context: number;
  readonly sequences: number;
  readonly bits: CacheBits;
  /** Tokens of a prompt computed at once. */
  readonly chunk: number;
  readonly tensorParallel: number;
  /** First layers whose routed experts the CPU computes. */
  readonly cpuMoeLayers: number;
  /** Kept free of each accelerator. */
  readonly reserveBytes: readonly number[];
  /** Said by the user, and so part of the command. */
  readonly reserveAsked: boolean;
}
