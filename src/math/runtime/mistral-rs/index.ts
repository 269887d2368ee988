import type { Machine } from "../../machine.ts";
import type { LayerSpec, ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import type { OptionValue } from "../../result.ts";
import { type Again, largestContextAgain, mostSequencesAgain } from "../again.ts";
import { type LayerLoad, layOut } from "../by-layer.ts";
import { OVERHEAD } from "../driver-overhead.ts";
import type { EnginePlan, EngineRefusal, Runtime } from "../runtime.ts";
import { largest } from "../search.ts";
import {
  BLOCK_TOKENS,
  blocksOf,
  budgetElements,
  cacheRow,
  grownTokens,
  layerCacheBytes,
  layerStateBytes,
  mibFor,
  poolBlocks,
  poolStates,
  stateShape,
} from "./caches.ts";
import { mistralCommand } from "./command.ts";
import { mistralDifference } from "./difference.ts";
import { explainMistral } from "./explain.ts";
import { type Placed, place, slotsOf } from "./place.ts";
import { blockBytes, poolMibOf } from "./pool.ts";
import { basisOf, rangeOf } from "./range.ts";
import { resident } from "./resident.ts";
import { longestContext, resolveMistral } from "./resolve.ts";
import { activationBytes, promptCopies, rotaryBytes, stepTokens } from "./step.ts";
import type { CacheRow, MistralOptions } from "./types.ts";
import { MISTRAL_WEIGHTS } from "./weights.ts";

/** The release whose rules these are; the wheel of the same version is what the tests run. */
const MISTRAL_RS_VERSIONS = ["0.9.2"] as const;

/** hwLedger's own end of a search: mistral.rs has none. */
const MOST_SEQUENCES = 1024;

export const MISTRAL_RS: Runtime = {
  id: "mistral.rs",
  versions: MISTRAL_RS_VERSIONS,
  difference: mistralDifference,
  ...MISTRAL_WEIGHTS,
  kvOffered: ["fp8"],
  plan: planMistral,
};

function planMistral(model: ModelSpec, asked: PlanOptions, machine: Machine): EnginePlan | EngineRefusal {
  const resolution = resolveMistral(model, asked, machine);
  if (resolution.status === "refused") return resolution;
  const { gpuLayers, tensorParallel } = resolution.options;
  const plan = mapped(model, asked, machine);
  if (plan.status === "refused" || gpuLayers !== null || tensorParallel > 1 || machine.accelerators.length === 0)
    return plan;
  // The device map is made anew for each load: what does not fit one GPU goes on to the next.
  const again: Again = (load) => mapped(model, { ...asked, ...load }, machine);
  const over = !machine.unified && machine.accelerators.some((_, i) => (plan.spare[i] ?? 0) < 0);
  return {
    ...plan,
    warnings: over ? [...plan.warnings, OVERFULL] : plan.warnings,
    at: (context) => {
      const there = again({ context });
      return there.status === "planned" ? { parts: there.parts, total: there.total } : plan.at(context);
    },
    limits: () => ({
      ...plan.limits(),
      maxContext: largestContextAgain(model.contextTrained, BLOCK_TOKENS, again),
      maxSequences: mostSequencesAgain(MOST_SEQUENCES, again),
    }),
  };
}

/** As the options and mistral.rs's own device map lay it out. */
function mapped(model: ModelSpec, asked: PlanOptions, machine: Machine): EnginePlan | EngineRefusal {
  const resolution = resolveMistral(model, asked, machine);
  if (resolution.status === "refused") return resolution;
  const placed = place(model, resolution.options, machine);
  if (placed.status === "refused") return placed;
  const warnings = [...resolution.warnings, ...placed.warnings];
  return write(model, machine, placed, warnings, () => mostGpuLayers(model, asked, machine));
}

const OVERFULL =
  "mistral.rs's own device map believes that this fits the GPUs: it reckons with less than is taken. Take fewer layers with --gpu-layers.";

/** The most layers whose need fits the accelerators, whatever is left to system memory. null: there is no choice. */
function mostGpuLayers(model: ModelSpec, asked: PlanOptions, machine: Machine): number | null {
  if (machine.accelerators.length === 0 || machine.unified || (asked.tensorParallel ?? 1) > 1) return null;
  const fits = (gpuLayers: number): boolean => {
    const options = { ...asked, gpuLayers, memoryUtilization: null };
    const resolution = resolveMistral(model, options, machine);
    if (resolution.status === "refused") return false;
    const placed = place(model, resolution.options, machine);
    if (placed.status === "refused") return false;
    const { spare } = write(model, machine, placed, [], () => null);
    return machine.accelerators.every((_, i) => (spare[i] ?? 0) >= 0);
  };
  return largest(0, model.layers.length, fits);
}

function write(
  model: ModelSpec,
  machine: Machine,
  placed: Placed,
  warnings: readonly string[],
  gpuLayers: () => number | null,
): EnginePlan {
  const { options, weights, counts } = placed;
  const ranks = options.tensorParallel;
  const host = machine.accelerators.length;
  const slots = [...machine.accelerators, machine.host];
  const slot = slotsOf(model.layers.length, counts, host);
  const cuda = counts.length > 0 && machine.accelerators[0]?.backend === "cuda";
  // What stands outside of layers goes to the first GPU, even where no layer does.
  const first = counts.length > 0 ? 0 : host;
  const used = slots.map((_, i) => (i >= first && i < first + ranks) || slot.includes(i));

  const rows = model.layers.map((layer) => shareRow(cacheRow(layer, options.paged, cuda), layer, ranks));
  const states = model.layers.map((layer) => stateShape(layer, options.typeBytes));
  const hybrid = states.some((state) => state !== null);
  const elements = budgetElements(model, cuda) / ranks;
  const poolMib = poolMibOf(model, options, machine, weights);
  const blocksFor = (context: number, sequences: number): number =>
    Math.max(poolBlocks(context, sequences), poolMib === null ? 0 : blocksOf(poolMib, options.kvBytes, elements));

  const load = (context: number, sequences: number): LayerLoad => {
    const blocks = blocksFor(context, sequences);
    const stateCount = poolStates(sequences, cuda);
    const kv = Float64Array.from(rows, (row) => layerCacheBytes(row, options, blocks, context, sequences));
    const state = Float64Array.from(states, (shape) =>
      shape === null ? 0 : layerStateBytes(shape, stateCount, options.typeBytes) / ranks,
    );
    const cells = Float64Array.from(rows, (row, i) => {
      if ((kv[i] ?? 0) === 0) return 0;
      return options.paged ? blocks * BLOCK_TOKENS : sequences * grownTokens(context, row.window);
    });
    const activations = stepTokens(options, context, sequences);
    const copies = promptCopies(rows, options, context, sequences, hybrid);
    const compute = Float64Array.from(slots, (_, i) =>
      used[i] ? activationBytes(model, options, activations, i === host) : 0,
    );
    compute[first] = (compute[first] ?? 0) + copies.keys + copies.windows;
    const output = new Float64Array(slots.length);
    output[first] = sequences * model.vocabularySize * options.typeBytes;
    output[host] = (output[host] ?? 0) + sequences * model.vocabularySize * 4;
    const overhead = Float64Array.from(slots, (device, i) =>
      used[i] ? rotaryBytes(model, options.typeBytes) + OVERHEAD[device.backend].mid : 0,
    );
    const lacking = poolMib === null ? 0 : blocks - blocksOf(poolMib, options.kvBytes, elements);
    return { kv, state, cells, compute, output, overhead, short: blockBytes(lacking, options, elements) };
  };

  const blocks = options.paged ? blocksFor(options.context, options.sequences) : null;
  const basis = basisOf(model, weights, options, first === host);
  return layOut({
    model,
    machine,
    slots,
    slot,
    ranks,
    layerWeights: slot.includes(host) && first !== host ? mixedLayers(model, placed, slot, host) : weights.layers,
    outside: weights.outside.flatMap((part) =>
      Array.from({ length: ranks }, (_, rank) => ({ ...part, slot: first + rank })),
    ),
    reserveBytes: options.reserveBytes,
    context: options.context,
    sequences: options.sequences,
    mostContext: model.contextTrained === null ? null : longestContext(model.contextTrained, options.paged),
    mostSequences: MOST_SEQUENCES,
    load,
    sideCaches: (layer) => (model.layers[layer]?.sideCaches ?? []).map(() => 0),
    options: describe(options, counts, blocks),
    basis,
    range: (at) => rangeOf(model, options, weights, at, cuda),
    gpuLayers,
    warnings,
    command: (source) =>
      mistralCommand(
        {
          model,
          machine,
          options,
          layers: options.gpuLayers === null || first === host ? null : counts,
          poolMib: blocks === null ? null : mibFor(blocks, options.kvBytes, elements),
        },
        source,
      ),
    explain: (at) =>
      explainMistral(
        {
          model,
          options,
          weights,
          rows,
          states,
          blocks,
          stateCount: poolStates(options.sequences, cuda),
          basis: basis.kv_cache_bytes,
        },
        at,
      ),
  });
}

/** Layers that the CPU computes have its second copies. */
function mixedLayers(model: ModelSpec, { options, weights }: Placed, slot: Int16Array, host: number): Float64Array {
  const onCpu = resident(model, options.typeBytes, options.tensorParallel, true).layers;
  return weights.layers.map((bytes, i) => (slot[i] === host ? (onCpu[i] ?? bytes) : bytes));
}

/** Heads are dealt to the ranks; fewer heads than ranks are copied. A latent row stands on each of them. */
function shareRow(row: CacheRow, { mixers }: LayerSpec, ranks: number): CacheRow {
  const mixer = mixers.find(({ kind }) => kind !== "state");
  if (ranks === 1 || mixer === undefined || mixer.kind === "state" || mixer.kind === "latent") return row;
  const share = Math.max(1, mixer.kvHeads / ranks) / mixer.kvHeads;
  return { ...row, key: row.key * share, value: row.value * share };
}

function describe(
  options: MistralOptions,
  counts: readonly number[],
  blocks: number | null,
): Record<string, OptionValue> {
  return {
    context: options.context,
    sequences: options.sequences,
    kv_type: options.kvType === "auto" ? "bf16" : options.kvType,
    paged_attention: options.paged,
    block_tokens: options.paged ? BLOCK_TOKENS : null,
    pool_blocks: blocks,
    memory_utilization: options.utilization,
    tensor_parallel: options.tensorParallel,
    gpu_layers: counts.reduce((all, count) => all + count, 0),
    reserve_bytes: options.reserveBytes[0] ?? null,
  };
}
