/** What a load takes beside the model itself: a draft model, a projector, adapters, or what a fork of llama.cpp adds to a step. */
import type { OutsidePart, Prepared } from "./prepare.ts";
import type { CacheShape, LlamaCppOptions } from "./types.ts";

/** Bytes by slot. */
export interface BesideLoad {
  readonly kv: Float64Array | null;
  readonly state: Float64Array | null;
  readonly compute: Float64Array | null;
  readonly output: Float64Array | null;
  /** Shares of `compute` that the true figure lies between, four times in five; where it is spared, `low` is the larger share. */
  readonly low: number;
  readonly high: number;
}

export interface Beside {
  /** What its caches and states are called in the answer; left out: it has none. */
  readonly label?: string;
  /** Tensors, with what they are called in the answer. */
  readonly parts: readonly OutsidePart[];
  /** One line on its part of the load. */
  readonly explain: (load: BesideLoad) => string;
  /** @param buffers compute buffers of the model alone, by slot */
  readonly at: (
    prepared: Prepared,
    options: LlamaCppOptions,
    shape: CacheShape,
    buffers: readonly number[],
  ) => BesideLoad;
}

const remembered = new WeakMap<readonly Beside[], WeakMap<Prepared["known"], Prepared["known"]>>();

/** The prepared model with more beside it. Limits are remembered apart from those of the model alone. */
export function withBeside(prepared: Prepared, beside: readonly Beside[]): Prepared {
  if (beside.length === 0) return prepared;
  const parts = beside.flatMap((one) => one.parts);
  const weights = prepared.weights.slice();
  for (const { slot, bytes } of parts) weights[slot] = (weights[slot] ?? 0) + bytes;
  let byModel = remembered.get(beside);
  if (byModel === undefined) {
    byModel = new WeakMap();
    remembered.set(beside, byModel);
  }
  let known = byModel.get(prepared.known);
  if (known === undefined) {
    known = new Map();
    byModel.set(prepared.known, known);
  }
  return { ...prepared, weights, outside: [...prepared.outside, ...parts], beside, known };
}

/** Adds bytes by slot. */
export function addTo(columns: Float64Array, more: Float64Array | null): void {
  if (more === null) return;
  for (let i = 0; i < columns.length; i++) columns[i] = (columns[i] ?? 0) + (more[i] ?? 0);
}
