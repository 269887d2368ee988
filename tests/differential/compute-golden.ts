/** How far today's model of the compute buffers is from llama.cpp, by architecture and phase: an error may shrink, not grow. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Comparison } from "./compare.ts";

const GOLDEN = join(import.meta.dir, "..", "goldens", "compute", "differential.json");

export interface ErrorSummary {
  readonly samples: number;
  /** Absolute errors, percent of llama.cpp's figure, to a hundredth. */
  readonly median: number;
  readonly p90: number;
  readonly max: number;
}

/** "llama, attention, flash attention on" → its errors: the architecture, and what fills the buffer. */
export type Errors = Readonly<Record<string, ErrorSummary>>;
export interface Golden {
  /** The sample of the quick suite. */
  readonly quick: Errors;
  /** The whole grid. */
  readonly long: Errors;
}

export function goldenSize(long: boolean): keyof Golden {
  return long ? "long" : "quick";
}

export function readGolden(): Golden {
  if (!existsSync(GOLDEN)) return { quick: {}, long: {} };
  return JSON.parse(readFileSync(GOLDEN, "utf8")) as Golden;
}

export function writeGolden(golden: Golden): void {
  mkdirSync(dirname(GOLDEN), { recursive: true });
  writeFileSync(GOLDEN, `${JSON.stringify(golden, null, 2)}\n`);
}

export function summarise(comparisons: readonly Comparison[]): Errors {
  const errors = new Map<string, number[]>();
  for (const { architecture, compute } of comparisons) {
    for (const { phase, flashAttention, ours, theirs } of compute) {
      const key = `${architecture}, ${phase}, flash attention ${flashAttention}`;
      const list = errors.get(key) ?? [];
      errors.set(key, list);
      list.push((100 * Math.abs(ours - theirs)) / theirs);
    }
  }
  return Object.fromEntries(
    [...errors].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, list]) => [key, summaryOf(list)]),
  );
}

export function summaryOf(errors: readonly number[]): ErrorSummary {
  const sorted = [...errors].sort((a, b) => a - b);
  const at = (share: number): number => hundredth(sorted[Math.floor(share * (sorted.length - 1))] ?? 0);
  return { samples: sorted.length, median: at(0.5), p90: at(0.9), max: at(1) };
}

function hundredth(percent: number): number {
  return Math.round(percent * 100) / 100;
}

/** What a key that the golden has not may err by: architectures that are exact need no line in it. */
const NOTHING = { median: 0, p90: 0, max: 0 } as const;

/** What grew, a line each. */
export function growth(golden: Errors, now: Errors): readonly string[] {
  const lines: string[] = [];
  for (const [key, summary] of Object.entries(now)) {
    const before = golden[key] ?? NOTHING;
    for (const figure of ["median", "p90", "max"] as const) {
      if (summary[figure] > before[figure])
        lines.push(`${key}: ${figure} error ${before[figure]} % became ${summary[figure]} %`);
    }
  }
  return lines;
}
