/**
 * A plan of an engine that spreads a model over ranks: pipeline stages in a row, tensor-parallel ranks beside each other,
 * every rank one accelerator. What an engine needs at a load it says for one rank of each stage; the rest is the same.
 */
import type { Device, Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { Basis, OptionValue, Part } from "../../result.ts";
import { type EngineLayers, type EnginePlan, PARTS, type PartColumns } from "../runtime.ts";
import { largest } from "../search.ts";
import type { RankWeights } from "./parameters.ts";
import { stageOfLayers } from "./stages.ts";

/** Bytes on one rank of a stage, beside its weights. */
export interface StageBytes {
  readonly kv: number;
  readonly state: number;
  readonly compute: number;
  readonly output: number;
  readonly overhead: number;
}

/** A load of the engine. Arrays are indexed like the model's layers, and are one rank's. */
export interface RankLoad {
  readonly stages: readonly StageBytes[];
  readonly kv: Float64Array;
  readonly state: Float64Array;
  readonly cells: Float64Array;
  readonly sideCaches: (layer: number) => readonly number[];
}

export interface Ranks {
  readonly tensor: number;
  readonly pipeline: number;
}

export interface TorchPlan {
  readonly model: ModelSpec;
  readonly machine: Machine;
  /** Devices that ranks lie on, in order; the host last where it has none. */
  readonly slots: readonly Device[];
  readonly ranks: Ranks;
  readonly weights: RankWeights;
  /** Tables of the rotary embedding, on every rank. */
  readonly rotaryBytes: number;
  readonly context: number;
  readonly sequences: number;
  /** The most sequences that the engine takes. */
  readonly mostSequences: number;
  readonly options: Readonly<Record<string, OptionValue>>;
  /** Kept free by slot, and what the plan may fill; null: not known. */
  readonly reserved: Float64Array;
  readonly budget: readonly (number | null)[];
  /** By slot: what is free beyond what the engine wants before it starts, negative where it does not. Left out: it starts. */
  readonly startSpare?: readonly (number | null)[];
  /** The engine's need at a load. `asked`: the number of sequences was asked for, and the engine is told so. */
  readonly load: (context: number, sequences: number, asked: boolean) => RankLoad;
  readonly sequencesAsked: boolean;
  readonly basis: Readonly<Record<Part, Basis>>;
  /** How far one rank's bytes may be off, downwards and upwards, with all stages' ranks together. */
  readonly range: (load: RankLoad, weights: number) => { readonly less: number; readonly more: number };
  readonly warnings: readonly string[];
  readonly command: EnginePlan["command"];
  readonly explain: () => readonly string[];
}

export function assemble(plan: TorchPlan): EnginePlan {
  const { model, slots, ranks } = plan;
  const stage = stageOfLayers(model.layers.length, ranks.pipeline);
  const outside = placeOutside(plan);
  const weights = weightsBySlot(plan, stage, outside);
  const columns = (load: RankLoad): { parts: PartColumns; total: Float64Array } => {
    const parts = partColumns(plan, weights, load);
    const total = new Float64Array(slots.length);
    for (const part of PARTS) for (let i = 0; i < slots.length; i++) total[i] = (total[i] ?? 0) + (parts[part][i] ?? 0);
    return { parts, total };
  };
  const spare = (total: Float64Array): (number | null)[] =>
    plan.budget.map((most, i) => {
      if (most === null) return null;
      const left = most - (total[i] ?? 0);
      const atStart = plan.startSpare?.[i] ?? null;
      return atStart !== null && atStart < 0 ? Math.min(left, atStart) : left;
    });
  const fits = (context: number, sequences: number, asked: boolean): boolean =>
    spare(columns(plan.load(context, sequences, asked)).total).every((left) => left === null || left >= 0);

  const load = plan.load(plan.context, plan.sequences, plan.sequencesAsked);
  const { parts, total } = columns(load);
  const sum = total.reduce((all, bytes) => all + bytes, 0);
  const { less, more } = plan.range(
    load,
    weights.reduce((all, bytes) => all + bytes, 0),
  );
  return {
    status: "planned",
    options: plan.options,
    slots,
    parts,
    total,
    reserved: plan.reserved,
    spare: spare(total),
    low: Math.round(sum - less),
    high: Math.round(sum + more),
    basis: plan.basis,
    layers: layersOf(plan, stage, load),
    outside,
    warnings: plan.warnings,
    limits: () => ({
      maxContext:
        model.contextTrained === null
          ? null
          : largest(1, model.contextTrained, (context) => fits(context, plan.sequences, plan.sequencesAsked)),
      maxSequences: largest(1, plan.mostSequences, (sequences) => fits(plan.context, sequences, true)),
      gpuLayers: null,
    }),
    at: (context) => columns(plan.load(context, plan.sequences, plan.sequencesAsked)),
    command: plan.command,
    explain: plan.explain,
  };
}

/** The slots of a stage's ranks. */
function ranksOf({ tensor }: Ranks, stage: number): readonly number[] {
  return Array.from({ length: tensor }, (_, rank) => stage * tensor + rank);
}

/** The embedding stands on the first stage, norm and head on the last; a tied head is the embedding, on both. */
function placeOutside({ model, ranks, weights, rotaryBytes }: TorchPlan): EnginePlan["outside"] {
  const last = ranks.pipeline - 1;
  const parts: { name: string; slot: number; bytes: number }[] = [];
  const put = (name: string, stage: number, bytes: number): void => {
    for (const slot of ranksOf(ranks, stage)) parts.push({ name, slot, bytes });
  };
  for (const { name, bytes } of weights.outside) {
    if (!name.startsWith("token_embd.")) put(name, name.startsWith("output") ? last : 0, bytes);
    else {
      put(name, 0, bytes);
      if (model.tiedEmbeddings && last > 0) put(`${name} as output`, last, bytes);
    }
  }
  if (rotaryBytes > 0) for (let stage = 0; stage <= last; stage++) put("rotary tables", stage, rotaryBytes);
  return parts;
}

function weightsBySlot(plan: TorchPlan, stage: Int16Array, outside: EnginePlan["outside"]): Float64Array {
  const bytes = new Float64Array(plan.slots.length);
  for (const part of outside) bytes[part.slot] = (bytes[part.slot] ?? 0) + part.bytes;
  for (let i = 0; i < stage.length; i++)
    for (const slot of ranksOf(plan.ranks, stage[i] ?? 0))
      bytes[slot] = (bytes[slot] ?? 0) + (plan.weights.layers[i] ?? 0);
  return bytes;
}

function partColumns({ slots, ranks }: TorchPlan, weights: Float64Array, load: RankLoad): PartColumns {
  const column = (part: keyof StageBytes): Float64Array => {
    const bytes = new Float64Array(slots.length);
    for (const [stage, needs] of load.stages.entries())
      for (const slot of ranksOf(ranks, stage)) bytes[slot] = needs[part];
    return bytes;
  };
  return {
    weights_bytes: weights,
    kv_cache_bytes: column("kv"),
    state_bytes: column("state"),
    compute_bytes: column("compute"),
    output_bytes: column("output"),
    overhead_bytes: column("overhead"),
  };
}

/** A layer's bytes on all its ranks, told for the first of them. */
function layersOf({ ranks, weights }: TorchPlan, stage: Int16Array, load: RankLoad): EngineLayers {
  const all = (one: Float64Array): Float64Array => one.map((bytes) => bytes * ranks.tensor);
  return {
    weights: all(weights.layers),
    kv: all(load.kv),
    state: all(load.state),
    cells: load.cells,
    slot: stage.map((at) => at * ranks.tensor),
    sideCaches: (layer) => load.sideCaches(layer).map((bytes) => bytes * ranks.tensor),
  };
}
