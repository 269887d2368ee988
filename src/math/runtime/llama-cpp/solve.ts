import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import { largest, largestNear } from "../search.ts";
import { CELL_PADDING, MAX_SEQUENCES, shapeCaches } from "./caches.ts";
import { atLoad, fits, totals, totalsWith } from "./memory.ts";
import { mostFitting } from "./most-fitting.ts";
import { offloadableLayers } from "./placement.ts";
import type { Prepared } from "./prepare.ts";
import type { LlamaCppOptions } from "./types.ts";

/** Prepares the model with other options, and with all that lies beside it. */
export type Ready = (options: LlamaCppOptions) => Prepared;

/**
 * The longest context that fits with everything else as it is, up to what the model was trained for; a whole number of
 * cache cells' padding. null: not even the shortest fits, or the trained context is not known.
 */
export function largestContext(prepared: Prepared): number | null {
  const { sequences } = prepared.options;
  return remembered(prepared, `context at ${sequences}`, () => findContext(prepared, sequences));
}

function findContext(prepared: Prepared, sequences: number): number | null {
  const trained = prepared.model.contextTrained;
  if (trained === null) return null;
  const good = (context: number): boolean => fits(prepared, totals(prepared, context, sequences));
  if (good(trained)) return trained;
  const steps = largest(1, Math.floor(trained / CELL_PADDING), (k) => good(k * CELL_PADDING));
  return steps === null ? null : steps * CELL_PADDING;
}

export const MOST_REMEMBERED = 1024;

/** What a limit depends on beside the placement, in one word. */
export function limitKey({ options }: Prepared, limit: string): string {
  const { batch, ubatch, program, kvUnified, swaFull, reserveBytes, hostReserveBytes = 0 } = options;
  return `${limit} ${batch} ${ubatch} ${program} ${kvUnified} ${swaFull} ${reserveBytes} ${hostReserveBytes}`;
}

/** A limit is the same whatever the load is now: a slider and a stream of requests ask for it again and again. */
function remembered(prepared: Prepared, limit: string, find: () => number | null): number | null {
  const { known } = prepared;
  const key = limitKey(prepared, limit);
  const before = known.get(key);
  if (before !== undefined) return before;
  const found = find();
  if (known.size >= MOST_REMEMBERED) known.clear();
  known.set(key, found);
  return found;
}

/**
 * The most sequences that fit at this context; with a unified pool they share it. null: not even one.
 * A compute buffer for another number of sequences costs a thousand times what the rest does: it is interpolated between
 * one sequence's and the most there can be, and only the answer and its neighbours are worked out whole.
 */
export function mostSequences(prepared: Prepared): number | null {
  const { context } = prepared.options;
  return remembered(prepared, `sequences at ${context}`, () => findSequences(prepared, context));
}

function findSequences(prepared: Prepared, context: number): number | null {
  const least = totals(prepared, context, 1);
  if (!fits(prepared, least)) return null;
  const most = totals(prepared, context, MAX_SEQUENCES);
  if (fits(prepared, most)) return MAX_SEQUENCES;
  const one = least.buffers;
  const all = most.buffers;
  const exact = (sequences: number): boolean => fits(prepared, totals(prepared, context, sequences));
  const near = (sequences: number): boolean => {
    const options = atLoad(prepared.options, context, sequences);
    const share = (sequences - 1) / (MAX_SEQUENCES - 1);
    const buffers = Array.from(one, (bytes, i) => bytes + ((all[i] ?? bytes) - bytes) * share);
    return fits(prepared, totalsWith(prepared, options, shapeCaches(options, context, sequences), buffers));
  };
  return largestNear(1, MAX_SEQUENCES - 1, near, exact);
}

/**
 * n_gpu_layers: the most whose share fits the accelerators at this context; what is left lies in system memory, whether
 * or not that is large enough. null: no accelerator.
 */
export function mostGpuLayers(
  model: ModelSpec,
  options: LlamaCppOptions,
  machine: Machine,
  ready: Ready,
): number | null {
  const accelerators = machine.accelerators.length;
  if (accelerators === 0) return null;
  return mostFitting(offloadableLayers(model), (gpuLayers) => ready({ ...options, gpuLayers })) ?? 0;
}

/**
 * --n-cpu-moe: the fewest front layers whose experts lie in system memory while every layer is on an accelerator. null: no
 * experts, no accelerator, or even without all of them the rest does not fit.
 */
export function fewestHostExperts(prepared: Prepared, ready: Ready): number | null {
  const { model, options, machine } = prepared;
  const layers = model.layers.length;
  const moe = model.layers.some((layer) => layer.feedForward.kind === "moe");
  if (!moe || machine.accelerators.length === 0) return null;
  return remembered(prepared, `experts at ${options.context} ${options.sequences}`, () => {
    const placed = { ...options, overrideTensor: [], tensorSplit: null, gpuLayers: offloadableLayers(model) };
    // Counted from behind: the more layers keep their experts, the less fits.
    const kept = mostFitting(layers, (whole) => ready({ ...placed, cpuMoeLayers: layers - whole }));
    return kept === null ? null : layers - kept;
  });
}
