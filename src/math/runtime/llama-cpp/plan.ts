import { extrasAsked, NO_EXTRAS, type PlanExtras } from "../../extras.ts";
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import type { Basis, OptionValue, Part } from "../../result.ts";
import { type Again, largestContextAgain, mostSequencesAgain, type OtherLoad } from "../again.ts";
import type { EngineLayers, EnginePlan, EngineRefusal, Loading, PartColumns } from "../runtime.ts";
import { type Beside, withBeside } from "./beside.ts";
import { CELL_PADDING, MAX_SEQUENCES } from "./caches.ts";
import { type CommandModel, llamaCommand } from "./command.ts";
import { explainLoad } from "./explain.ts";
import { DRAFT_TOKENS } from "./extras/draft.ts";
import { extrasArguments, extrasBeside, refuseExtras } from "./extras/index.ts";
import { fitLayers, mayFit, wholeSplit } from "./fit.ts";
import { refuseForkTypes } from "./fork-types.ts";
import { keptLayout, type Layout } from "./kept-layout.ts";
import { cacheBytes, layerColumns, spare, type Totals, totals } from "./memory.ts";
import { modelAtBuild } from "./older-latent.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { loadRange } from "./range.ts";
import { outputRows, resolveOptions } from "./resolve.ts";
import { type LlamaCppRules, rulesOf } from "./rules.ts";
import { fewestHostExperts, largestContext, mostGpuLayers, mostSequences } from "./solve.ts";
import type { LlamaCppOptions } from "./types.ts";

const resolved = new WeakMap<EnginePlan, LlamaCppOptions>();

/** The options that a plan of this folder stands for; null: another engine made it. */
export function optionsOfPlan(plan: EnginePlan): LlamaCppOptions | null {
  return resolved.get(plan) ?? null;
}

/** What a program built over llama.cpp does otherwise than llama.cpp's own command line. */
export interface Front {
  /** What it is called where something is refused. */
  readonly name: string;
  /** The plan of another load laid out so, where the program chooses other options by it; left out: they stay as they are. */
  readonly again?: (load: OtherLoad, layout: Layout) => EnginePlan | EngineRefusal;
  /** Whether it leaves the layout to --fit; otherwise whole layers are offloaded as they fit. */
  readonly fits: boolean;
  /** Whether it reads the types that only ik_llama.cpp has. */
  readonly forkTypes?: true;
  /** Its command line takes llama.cpp's own arguments for what is loaded beside the model. */
  readonly takesExtraArguments?: true;
  /** Options of its own, as they are shown. */
  readonly options?: Readonly<Record<string, OptionValue>>;
  /** Of its own memory; left out: llama.cpp's at the version. */
  readonly rules?: LlamaCppRules;
  readonly warnings: readonly string[];
  /** What its loads take beside llama.cpp's; the same question gives the same list. */
  readonly beside?: (model: ModelSpec, options: LlamaCppOptions, machine: Machine) => readonly Beside[];
  readonly command: (options: LlamaCppOptions, model: CommandModel, weights: string) => string;
}

/** @throws {RangeError} for a version whose rules are not known, or a model whose tensors have no types */
export function planLlamaCpp(
  typed: ModelSpec,
  asked: PlanOptions,
  machine: Machine,
  { version, extras = NO_EXTRAS }: Loading = { version: null },
  front: Front | null = null,
): EnginePlan | EngineRefusal {
  const rules = front?.rules ?? rulesOf(version);
  if (rules === null) throw new RangeError(`Cannot plan for llama.cpp ${version}: its rules are not known`);
  const engine = front?.name ?? "llama.cpp";
  const foreign = front?.forkTypes === true ? null : refuseForkTypes(engine, typed);
  if (foreign !== null) return foreign;
  const model = modelAtBuild(typed, rules);
  const wrong = refuseExtras(extras, model);
  if (wrong !== null) return wrong;
  const resolution = resolveOptions(model, asked, machine, rules, engine);
  if (resolution.status === "refused") return resolution;
  let options = resolution.options;
  if (extras.draft !== null)
    options = {
      ...options,
      draftTokens: DRAFT_TOKENS,
      outputs: outputRows(options.program, options.sequences, options.batch, rules, DRAFT_TOKENS),
    };
  const ofFront = front?.beside?.(model, options, machine) ?? NOTHING;
  const ready = (changed: LlamaCppOptions): Prepared => {
    const alone = prepare(model, changed, machine);
    return withBeside(alone, extrasAsked(extras).length === 0 ? ofFront : besideOf(extras, ofFront, alone, machine));
  };
  let prepared = ready(options);
  let load = totals(prepared, options.context, options.sequences);
  let left = spare(prepared, load);
  if (resolution.autoGpuLayers && left.some((bytes) => bytes !== null && bytes < 0)) {
    const all = options;
    const fit = front?.fits !== false && mayFit(all);
    options = keptLayout(prepared, fit, () =>
      fit
        ? fitLayers(model, all, machine, ready)
        : { ...all, gpuLayers: mostGpuLayers(model, all, machine, ready) ?? 0 },
    );
    prepared = ready(options);
    load = totals(prepared, options.context, options.sequences);
    left = spare(prepared, load);
  }
  const { low, high } = loadRange(prepared, load);
  const again = front?.again === undefined ? null : inPlace(front.again, options);
  const holds = left.every((bytes) => bytes === null || bytes >= 0);
  let layers: EngineLayers | null = null;
  const plan: EnginePlan = {
    status: "planned",
    options: { ...describeOptions(options, load), ...front?.options },
    slots: prepared.slots,
    parts: partColumns(prepared, load),
    total: load.total,
    reserved: reservedBySlot(prepared, load),
    spare: left,
    low,
    high,
    basis: basisOf(prepared),
    get layers() {
      layers ??= layersOf(prepared, load);
      return layers;
    },
    outside: [...prepared.outside, ...besideCaches(prepared, load)],
    warnings: [...resolution.warnings, ...(front?.warnings ?? []), ...olderWarnings(model, rules)],
    limits: () => ({
      maxContext:
        again === null
          ? largestContext(prepared)
          : largestContextAgain(model.contextTrained, CELL_PADDING, again, holds ? options.context : null),
      maxSequences:
        again === null
          ? mostSequences(prepared)
          : mostSequencesAgain(MAX_SEQUENCES, again, holds ? options.sequences : null),
      // Left to us, the plan has as many as fit already.
      gpuLayers: resolution.autoGpuLayers ? options.gpuLayers : mostGpuLayers(model, options, machine, ready),
      cpuMoeLayers: fewestHostExperts(prepared, ready),
      tensorSplit: wholeSplit(prepared, ready),
    }),
    at: (context) => {
      const chosen = again?.({ context });
      if (chosen?.status === "planned") return { parts: chosen.parts, total: chosen.total };
      const there = totals(prepared, context, options.sequences);
      return { parts: partColumns(prepared, there), total: there.total };
    },
    command: (source) => {
      const weights = model.weights?.name ?? "F16";
      const command = front?.command(options, source, weights) ?? llamaCommand(options, machine, source, weights);
      const more = front === null || front.takesExtraArguments === true ? extrasArguments(extras) : "";
      return more === "" ? command : `${command} ${more}`;
    },
    explain: () => explainLoad(prepared, load),
  };
  resolved.set(plan, options);
  return plan;
}

/** All stays where it is. */
function inPlace(
  again: NonNullable<Front["again"]>,
  { gpuLayers, tensorSplit, overrideTensor }: LlamaCppOptions,
): Again {
  return (load) => again(load, { gpuLayers, tensorSplit, overrideTensor });
}

const NOTHING: readonly Beside[] = [];
const besides = new WeakMap<PlanExtras, WeakMap<Prepared["known"], WeakMap<readonly Beside[], readonly Beside[]>>>();

/** Kept by placement and by what the front has beside the model, so that limits are remembered. */
function besideOf(
  extras: PlanExtras,
  ofFront: readonly Beside[],
  prepared: Prepared,
  machine: Machine,
): readonly Beside[] {
  let byPlacement = besides.get(extras);
  if (byPlacement === undefined) {
    byPlacement = new WeakMap();
    besides.set(extras, byPlacement);
  }
  let byFront = byPlacement.get(prepared.known);
  if (byFront === undefined) {
    byFront = new WeakMap();
    byPlacement.set(prepared.known, byFront);
  }
  let beside = byFront.get(ofFront);
  if (beside === undefined) {
    beside = [...ofFront, ...extrasBeside(extras, prepared, machine)];
    byFront.set(ofFront, beside);
  }
  return beside;
}

/** Loads of 2024 print a cache for encoders; the build that ended it is not known. */
const ENCODER_CACHES_BEFORE = 5500;

function olderWarnings(model: ModelSpec, rules: LlamaCppRules): readonly string[] {
  if (rules.build >= ENCODER_CACHES_BEFORE) return [];
  const uncached = model.layers.some(({ mixers }) => mixers.some((mixer) => "cached" in mixer && !mixer.cached));
  return uncached
    ? ["Older builds of llama.cpp kept a cache for encoders, too; which of them is not known, so none is counted."]
    : [];
}

/** Caches and states of what lies beside the model, one line for each device that has some. */
function besideCaches(prepared: Prepared, load: Totals): EnginePlan["outside"] {
  return prepared.beside.flatMap(({ label }, i) => {
    const own = load.beside[i];
    if (label === undefined || own === undefined) return [];
    return prepared.slots.flatMap((_, slot) => {
      const kv = own.kv?.[slot] ?? 0;
      const state = own.state?.[slot] ?? 0;
      return kv + state === 0 ? [] : [{ name: label, slot, bytes: 0, kv, state }];
    });
  });
}

function partColumns(prepared: Prepared, load: Totals): PartColumns {
  return {
    weights_bytes: prepared.weights,
    kv_cache_bytes: load.kv,
    state_bytes: load.state,
    compute_bytes: load.compute,
    output_bytes: load.output,
    overhead_bytes: load.overhead,
  };
}

function reservedBySlot(prepared: Prepared, load: Totals): Float64Array {
  const reserved = new Float64Array(prepared.slots.length);
  for (let i = 0; i < prepared.hostSlot; i++)
    reserved[i] = (load.total[i] ?? 0) > 0 ? prepared.options.reserveBytes : 0;
  reserved[prepared.hostSlot] = prepared.options.hostReserveBytes ?? 0;
  return reserved;
}

function basisOf(prepared: Prepared): Record<Part, Basis> {
  const byRow = prepared.options.splitMode === "row" && prepared.hostSlot > 1;
  return {
    weights_bytes: byRow ? "modelled" : (prepared.model.weights?.basis ?? "modelled"),
    kv_cache_bytes: "exact",
    state_bytes: "exact",
    // The same as llama.cpp's own nearly always (docs/accuracy.md); which loads are not is not known beforehand.
    compute_bytes: "modelled",
    output_bytes: "exact",
    overhead_bytes: "modelled",
  };
}

function layersOf(prepared: Prepared, load: Totals): EngineLayers {
  return {
    ...layerColumns(prepared, load),
    sideCaches: (layer) => {
      const spec = prepared.model.layers[layer];
      const groups = prepared.layerCaches[layer];
      if (spec === undefined || groups === undefined || spec.sideCaches.length === 0) return [];
      return groups.slice(groups.length - spec.sideCaches.length).map((g) => {
        const group = prepared.caches[g];
        return group === undefined ? 0 : cacheBytes(group, load.shape);
      });
    },
  };
}

function describeOptions(options: LlamaCppOptions, load: Totals): Record<string, OptionValue> {
  const k = options.kvTypeK.toLowerCase();
  const v = options.kvTypeV.toLowerCase();
  return {
    context: options.context,
    sequences: options.sequences,
    ubatch: options.ubatch,
    batch: options.batch,
    program: options.program,
    kv_type: k === v ? k : `${k},${v}`,
    flash_attention: options.flashAttention ? "on" : "off",
    kv_unified: options.kvUnified,
    swa_full: options.swaFull,
    gpu_layers: options.gpuLayers,
    cpu_moe_layers: options.cpuMoeLayers,
    split_mode: options.splitMode,
    tensor_split: options.tensorSplit,
    override_tensor: options.overrideTensor,
    reserve_bytes: options.reserveBytes,
    n_ctx: load.shape.contextTotal,
  };
}
