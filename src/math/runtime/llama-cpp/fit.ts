/**
 * What `--fit` does when a load does not fit as asked: which layers go where, and whose experts stay in system memory.
 * @source common/fit.cpp common_params_fit_impl@08033df02cc32f3706271c068aaeaeecf94922a1, steps 3 and 4 (since b7407)
 */
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import { hostExpertsOverride } from "./host-experts.ts";
import { fitsAccelerators, mostFitting } from "./most-fitting.ts";
import { offloadableLayers } from "./placement.ts";
import type { Prepared } from "./prepare.ts";
import { limitKey, MOST_REMEMBERED, type Ready } from "./solve.ts";
import type { LlamaCppOptions } from "./types.ts";

/** The build that --fit came with; older ones offload as many whole layers as they are told to. */
const FIT_BUILD = 7407;

/** Of one accelerator: its layers, and how many of them, from the back, leave their experts in system memory. */
interface Share {
  readonly layers: number;
  readonly withoutExperts: number;
}

/** --fit changes nothing where a person placed something: then whole layers are offloaded as they fit. */
export function mayFit(options: LlamaCppOptions): boolean {
  const { rules, splitMode, tensorSplit, overrideTensor, cpuMoeLayers } = options;
  const placed = tensorSplit !== null || overrideTensor.length > 0 || cpuMoeLayers > 0;
  return rules.build >= FIT_BUILD && splitMode !== "row" && !placed;
}

/**
 * The options as --fit would leave them:
 *   from the last accelerator to the first, as many layers as fit, those of a MoE model without their experts;
 *   then, if all layers found a place so, from the first accelerator to the last as many with their experts as fit,
 *   the front layers first.
 * One layer more that --fit would take in part (its up, or up and gate) is left out: under one layer's experts.
 * Where --fit looks at the accelerator being filled alone, all are looked at here: the last layer offloaded switches
 * pipelining on, and with it the buffers of those filled before grow into the margin.
 * splitMode none counts as one accelerator.
 */
export function fitLayers(model: ModelSpec, options: LlamaCppOptions, machine: Machine, ready: Ready): LlamaCppOptions {
  const count = options.splitMode === "none" ? 1 : machine.accelerators.length;
  const all = offloadableLayers(model);
  const moe = model.layers.some((layer) => layer.feedForward.kind === "moe");
  let shares: Share[] = Array.from({ length: count }, () => ({ layers: 0, withoutExperts: 0 }));
  const at = (tried: readonly Share[]): Prepared => ready(optionsOf(model, options, tried));

  for (let id = count - 1; id >= 0; id--) {
    const open = all - shares.slice(id + 1).reduce((sum, share) => sum + share.layers, 0);
    const given = (layers: number): Share[] =>
      // The output layer, which has no experts, is the last one's.
      shares.with(id, { layers, withoutExperts: moe ? Math.max(0, id < count - 1 ? layers : layers - 1) : 0 });
    shares = given(mostFitting(open, (layers) => at(given(layers))) ?? 0);
  }
  const placed = shares.reduce((sum, share) => sum + share.layers, 0);
  if (!moe || placed < all) return optionsOf(model, options, shares);

  for (let id = 0; id < count; id++) {
    const open = shares.reduce((sum, share) => sum + share.withoutExperts, 0);
    if (open === 0 || shares.findIndex((share) => share.withoutExperts > 0) < id) break;
    const now = shares;
    shares = moved(now, id, mostFitting(open, (layers) => at(moved(now, id, layers))) ?? 0);
  }
  return optionsOf(model, options, shares);
}

/**
 * --tensor-split for all layers with everything they have, in whole layers, the last accelerator first; null: one
 * accelerator, a split by rows, or not all fit.
 */
export function wholeSplit(prepared: Prepared, ready: Ready): readonly number[] | null {
  const { options, machine, known } = prepared;
  if (machine.accelerators.length < 2 || options.splitMode !== "layer") return null;
  const key = limitKey(prepared, `split at ${options.context} ${options.sequences}`);
  let splits = keptSplits.get(known);
  if (splits === undefined || splits.size >= MOST_REMEMBERED) {
    splits = new Map();
    keptSplits.set(known, splits);
  }
  let split = splits.get(key);
  if (split === undefined) {
    split = findSplit(prepared, ready);
    splits.set(key, split);
  }
  return split;
}

const keptSplits = new WeakMap<Prepared["known"], Map<string, readonly number[] | null>>();

function findSplit({ model, options, machine }: Prepared, ready: Ready): readonly number[] | null {
  const count = machine.accelerators.length;
  let open = offloadableLayers(model);
  const split = Array.from({ length: count }, () => 0);
  const placed = { ...options, overrideTensor: [], cpuMoeLayers: 0, gpuLayers: open };
  const prepared = (tensorSplit: readonly number[]): Prepared => ready({ ...placed, tensorSplit });
  // All layers are placed at every step, what is still open on the first accelerator: buffers are those of the answer.
  for (let id = count - 1; id > 0; id--) {
    const rest = open;
    const layers = mostFitting(rest, (given) => prepared(split.with(id, given).with(0, rest - given)), id) ?? 0;
    split[id] = layers;
    open -= layers;
  }
  split[0] = open;
  return fitsAccelerators(prepared(split)) ? split : null;
}

/** So many layers without experts become whole ones on this accelerator, the front ones first. */
function moved(shares: readonly Share[], to: number, layers: number): Share[] {
  const after = [...shares];
  let left = layers;
  for (let id = 0; id < after.length && left > 0; id++) {
    const from = after[id];
    if (from === undefined) break;
    const taken = Math.min(left, from.withoutExperts);
    after[id] = { layers: from.layers - taken, withoutExperts: from.withoutExperts - taken };
    left -= taken;
  }
  const target = after[to];
  return target === undefined ? after : after.with(to, { ...target, layers: target.layers + layers - left });
}

function optionsOf(model: ModelSpec, options: LlamaCppOptions, shares: readonly Share[]): LlamaCppOptions {
  const gpuLayers = shares.reduce((sum, share) => sum + share.layers, 0);
  const without: number[] = [];
  let index = offloadableLayers(model) - gpuLayers;
  for (const { layers, withoutExperts } of shares) {
    for (let i = index + layers - withoutExperts; i < index + layers; i++) {
      if (model.layers[i]?.feedForward.kind === "moe") without.push(i);
    }
    index += layers;
  }
  return {
    ...options,
    gpuLayers,
    tensorSplit: shares.length > 1 && gpuLayers > 0 ? shares.map((share) => share.layers) : options.tensorSplit,
    overrideTensor: without.length === 0 ? options.overrideTensor : [hostExpertsOverride(without)],
  };
}
