/** Why a compute buffer is as large as it is: what lies in it at its fullest. */
import type { Device } from "../../../machine.ts";
import type { ModelSpec } from "../../../model.ts";
import type { CacheShape, LlamaCppOptions, Placement } from "../types.ts";
import { lengths, programsFor } from "./buffers.ts";
import type { Extent, Phase } from "./graph.ts";
import { type Alive, aliveAtPeak, peakBytes } from "./peak.ts";
import type { Program } from "./program.ts";

export interface ComputeTerm {
  /** "mask", "ffn_up", "attn_norm" … after llama.cpp's tensors where there is one. */
  readonly name: string;
  /** "4 B × 4096 × 512", with the plan's own numbers; "" where the size is no plain product. */
  readonly formula: string;
  readonly bytes: number;
}

export interface ComputeExplanation {
  /** What the step is doing when the buffer is at its fullest; "none": nothing runs on the device. */
  readonly phase: Phase | "none";
  /** Sum to `bytes`. Largest first; gaps that nothing fitted into come last. */
  readonly terms: readonly ComputeTerm[];
  readonly bytes: number;
}

/** @param device number of the accelerator, or their count for the host */
export function explainCompute(
  model: ModelSpec,
  options: LlamaCppOptions,
  caches: CacheShape,
  placement: Placement,
  accelerators: readonly Device[],
  device: number,
): ComputeExplanation {
  const { prompt, decode } = programsFor(model, options, caches, placement, accelerators);
  const { full, window } = lengths(model, caches);
  const program = larger(prompt[device], decode?.[device], full, window);
  if (program === null) return { phase: "none", terms: [], bytes: 0 };
  const { peak, alive, last } = aliveAtPeak(program, full, window);
  const terms = group(alive, full, window);
  const gaps = peak - alive.reduce((sum, one) => sum + one.bytes, 0);
  if (gaps > 0) terms.push({ name: "gaps", formula: "", bytes: gaps });
  return { phase: last === null ? "none" : last.phase, terms, bytes: peak };
}

function larger(a: Program | undefined, b: Program | undefined, full: number, window: number): Program | null {
  if (a === undefined || b === undefined) return a ?? b ?? null;
  return peakBytes(b, full, window) > peakBytes(a, full, window) ? b : a;
}

function group(alive: readonly Alive[], full: number, window: number): ComputeTerm[] {
  const terms = new Map<string, { name: string; formula: string; bytes: number; count: number }>();
  for (const { owner, bytes } of alive) {
    const formula = owner.shape === null ? "" : written(owner.shape, full, window);
    const key = `${owner.name} ${formula}`;
    const term = terms.get(key);
    if (term === undefined) terms.set(key, { name: owner.name, formula, bytes, count: 1 });
    else {
      term.bytes += bytes;
      term.count++;
    }
  }
  return [...terms.values()]
    .map(({ name, formula, bytes, count }) => ({
      name,
      formula: count > 1 && formula !== "" ? `${count} × ${formula}` : formula,
      bytes,
    }))
    .sort((a, b) => b.bytes - a.bytes);
}

function written([elementBytes, ...extents]: readonly Extent[], full: number, window: number): string {
  const numbers = extents.map((e) => (e === "full" ? full : e === "window" ? window : e)).filter((n) => n !== 1);
  return [`${elementBytes} B`, ...numbers].join(" × ");
}
