/** What llama.cpp and hwLedger are both asked: a grid of options, or a sample of it that a fixed seed draws. */
import type { KvType } from "../../src/math/options.ts";

export interface Case {
  /** Tokens of one sequence. */
  readonly context: number;
  readonly sequences: number;
  readonly ubatch: number;
  readonly flashAttention: "on" | "off";
  readonly kvTypeK: KvType;
  readonly kvTypeV: KvType;
  readonly swaFull: boolean;
}

const CONTEXTS = [300, 5000, 40_000, 131_072];
const SEQUENCES = [1, 5];
const UBATCHES = [64, 512, 2048];
const KV_TYPES: readonly (readonly [KvType, KvType])[] = [
  ["F16", "F16"],
  ["BF16", "BF16"],
  ["F32", "F16"],
  ["Q8_0", "Q8_0"],
  ["Q8_0", "F16"],
  ["Q4_0", "Q4_0"],
  ["Q5_1", "IQ4_NL"],
];
/** llama-quantize's presets; one model takes one, so that all are met. */
const PRESETS = ["F16", "Q4_K_M", "BF16", "Q8_0", "Q6_K", "Q3_K_M", "IQ4_XS", "Q5_K_S", "Q2_K", "Q4_0"];

function* grid(windows: boolean): Generator<Case> {
  for (const context of CONTEXTS)
    for (const sequences of SEQUENCES)
      for (const ubatch of UBATCHES)
        for (const flashAttention of ["on", "off"] as const)
          for (const [kvTypeK, kvTypeV] of KV_TYPES)
            for (const swaFull of windows ? [false, true] : [false])
              yield { context, sequences, ubatch, flashAttention, kvTypeK, kvTypeV, swaFull };
}

/**
 * @param count   how many of the grid's cases, at most; null = all of it
 * @param windows whether full-length windows are a case of their own
 */
export function cases(seed: number, count: number | null, windows: boolean): readonly Case[] {
  const left = [...grid(windows)];
  if (count === null || count >= left.length) return left;
  const random = mulberry32(seed);
  return Array.from({ length: count }, () => left.splice(Math.floor(random() * left.length), 1)).flat();
}

/** A small seeded generator, so that a sample is the same on every machine. */
function mulberry32(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a subject of this seed is typed as. */
export function presetOf(i: number): string {
  return PRESETS[i % PRESETS.length] ?? "F16";
}
