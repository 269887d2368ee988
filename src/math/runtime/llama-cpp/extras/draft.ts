import type { DraftModel } from "../../../extras.ts";
import { formatBytes } from "../../../format.ts";
import type { Machine } from "../../../machine.ts";
import type { ModelSpec } from "../../../model.ts";
import { EXACT, sizeWeights } from "../../../parts/weights.ts";
import type { Beside, BesideLoad } from "../beside.ts";
import { stateBytes, totals } from "../memory.ts";
import { offloadableLayers } from "../placement.ts";
import { type Prepared, prepare } from "../prepare.ts";
import type { LlamaCppOptions } from "../types.ts";
import { partsOf } from "./adapters.ts";

/** Tokens drafted at a time: --spec-draft-n-max. @source common/common.h common_params_speculative_draft, September 2026 */
export const DRAFT_TOKENS = 3;

/** Architectures whose states keep a row for each drafted token, to go back to. @source src/llama-model.cpp n_rs_seq (since b9180) */
const ROLLS_BACK: readonly string[] = ["qwen35", "qwen35moe", "nemotron_h", "nemotron_h_moe", "deepseek4"];

/**
 * A second model with a context of its own, as long and for as many sequences as the first one's, F16 caches, all layers
 * offloaded where there is an accelerator.
 * @source tools/server/server-context.cpp load_model, common/fit.cpp add_extra_memory@08033df02cc32f3706271c068aaeaeecf94922a1
 */
export function draftBeside({ name, model }: DraftModel, options: LlamaCppOptions, machine: Machine): Beside {
  const own = prepare(model, ownOptions(model, options, machine), machine);
  const label = `draft ${name}`;
  return { label, parts: partsOf(label, own.weights), explain: explain(label), at: contextOf(own) };
}

/**
 * The model's own blocks for multi-token prediction: their weights, and a second context over them alone, which shares
 * embedding and head. Recurrent states of some architectures are kept once more for each drafted token.
 * @source src/llama-model.cpp load_mtp, src/llama-context.cpp@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export function mtpBeside(model: ModelSpec, options: LlamaCppOptions, machine: Machine): Beside {
  const blocks: ModelSpec = {
    ...model,
    layers: model.mtpLayers.map((layer, index) => ({ ...layer, index })),
    mtpLayers: [],
  };
  const count = machine.accelerators.length;
  const split = count > 1 ? Array.from({ length: count }, (_, i) => (i === count - 1 ? 1 : 0)) : null;
  const own = prepare(blocks, { ...ownOptions(blocks, options, machine), tensorSplit: split }, machine);
  const weights = new Float64Array(own.slots.length);
  const sizes = sizeWeights(blocks, EXACT);
  own.layerSlot.forEach((slot, i) => {
    weights[slot] = (weights[slot] ?? 0) + (sizes.layers[i] ?? 0);
  });
  const label = "multi-token prediction";
  const context = contextOf(own);
  return {
    label,
    parts: partsOf(label, weights),
    explain: explain(label),
    at: (prepared, there, shape, buffers) => {
      const load = context(prepared, there, shape, buffers);
      return { ...load, state: sumOf(load.state, rolledBack(prepared, there)) };
    },
  };
}

function rolledBack(prepared: Prepared, { sequences }: LlamaCppOptions): Float64Array | null {
  if (!ROLLS_BACK.includes(prepared.model.architecture)) return null;
  const more = new Float64Array(prepared.slots.length);
  for (const group of prepared.states) {
    const each = stateBytes(group, sequences * (1 + DRAFT_TOKENS)) - stateBytes(group, sequences);
    more[group.slot] = (more[group.slot] ?? 0) + group.count * each;
  }
  return more;
}

function sumOf(a: Float64Array | null, b: Float64Array | null): Float64Array | null {
  if (a === null || b === null) return a ?? b;
  return a.map((bytes, i) => bytes + (b[i] ?? 0));
}

function ownOptions(model: ModelSpec, options: LlamaCppOptions, machine: Machine): LlamaCppOptions {
  const gpuLayers = machine.accelerators.length === 0 || options.gpuLayers === 0 ? 0 : offloadableLayers(model);
  return {
    ...options,
    gpuLayers,
    kvTypeK: "F16",
    kvTypeV: "F16",
    cpuMoeLayers: 0,
    overrideTensor: [],
    tensorSplit: null,
  };
}

/** Its own layout and caches; all else is as the load has it, which may be another one than it was prepared for. */
function contextOf(own: Prepared): Beside["at"] {
  const { gpuLayers, kvTypeK, kvTypeV, cpuMoeLayers, overrideTensor, tensorSplit } = own.options;
  const ownOnes = { gpuLayers, kvTypeK, kvTypeV, cpuMoeLayers, overrideTensor, tensorSplit };
  return (_prepared, options): BesideLoad => {
    const load = totals({ ...own, options: { ...options, ...ownOnes } }, options.context, options.sequences);
    return { kv: load.kv, state: load.state, compute: load.compute, output: load.output, ...CONTEXT_RANGE };
  };
}

/** Of the second context's compute buffers: its graph is the model's own, and how it is called was not compared. */
const CONTEXT_RANGE = { low: 0.8, high: 1.3 } as const;

function explain(label: string): Beside["explain"] {
  const sum = (bytes: Float64Array | null): number => bytes?.reduce((total, one) => total + one, 0) ?? 0;
  return ({ kv, state, compute, output }) =>
    `${label}: a context of its own, cache ${formatBytes(sum(kv))}, state ${formatBytes(sum(state))}, compute ${formatBytes(sum(compute))}, output ${formatBytes(sum(output))} (modelled)`;
}
