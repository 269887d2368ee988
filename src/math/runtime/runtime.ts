/** What a runtime answers: how one engine would lay a typed model out on a machine. Engine-neutral: slots are the machine's accelerators, then its host. */
import type { ExtraKind, PlanExtras } from "../extras.ts";
import type { Device, Machine } from "../machine.ts";
import type { ModelSpec } from "../model.ts";
import type { EngineId, PlanOptions } from "../options.ts";
import type { PlanSubject, WeightsChoice } from "../plan-input.ts";
import type { Basis, OptionValue, Part } from "../result.ts";
import type { ForeignOption } from "./foreign-options.ts";

export const PARTS = [
  "weights_bytes",
  "kv_cache_bytes",
  "state_bytes",
  "compute_bytes",
  "output_bytes",
  "overhead_bytes",
] as const satisfies readonly Part[];

export interface EngineLayers {
  readonly weights: Float64Array;
  readonly kv: Float64Array;
  readonly state: Float64Array;
  readonly cells: Float64Array;
  readonly slot: Int16Array;
  /** Bytes of each side cache of a layer, in the order of its sideCaches; part of `kv`. */
  readonly sideCaches: (layer: number) => readonly number[];
}

/** Bytes by slot for each part. */
export type PartColumns = Readonly<Record<Part, Float64Array>>;

export interface EnginePlan {
  readonly status: "planned";
  readonly options: Readonly<Record<string, OptionValue>>;
  readonly slots: readonly Device[];
  readonly parts: PartColumns;
  readonly total: Float64Array;
  /** Kept free by slot. */
  readonly reserved: Float64Array;
  /** After plan and margin; null where no limit is known. */
  readonly spare: readonly (number | null)[];
  /** The 80 % range of the sum over all slots. */
  readonly low: number;
  readonly high: number;
  readonly basis: Readonly<Record<Part, Basis>>;
  readonly layers: EngineLayers;
  readonly outside: readonly {
    readonly name: string;
    readonly slot: number;
    /** Of weights. */
    readonly bytes: number;
    /** Of a cache and of a state outside the model's layers; left out: 0. */
    readonly kv?: number;
    readonly state?: number;
  }[];
  readonly warnings: readonly string[];
  /** Solved on demand, since they cost more than the plan. */
  readonly limits: () => {
    readonly maxContext: number | null;
    readonly maxSequences: number | null;
    readonly gpuLayers: number | null;
    /** Fewest front layers whose experts go to system memory so that all layers fit accelerators; null or left out: not a question here, or not even all do. */
    readonly cpuMoeLayers?: number | null;
    /** Layers by accelerator so that all fit, filled from the last to the first; null or left out: one accelerator, or they do not fit. */
    readonly tensorSplit?: readonly number[] | null;
  };
  /** The same plan at other contexts, for a curve. */
  readonly at: (context: number) => { readonly parts: PartColumns; readonly total: Float64Array };
  readonly command: (model: {
    readonly id: string | null;
    readonly source: string | null;
    readonly file: string | null;
  }) => string;
  readonly explain: () => readonly string[];
}

export interface EngineRefusal {
  readonly status: "refused";
  readonly reason: string;
  readonly hint: string;
}

/** A model whose weights are chosen, or why they cannot be. */
export type TypedModel =
  | { readonly status: "ok"; readonly spec: ModelSpec }
  | { readonly status: "unknown"; readonly reason: string; readonly missing: readonly string[] }
  | { readonly status: "error"; readonly message: string; readonly hint: string };

/** What is known of the weights that a model comes with. */
export type WeightsSubject = Pick<PlanSubject, "published" | "publishedWarning" | "checkpoint" | "choices">;

/** How one engine names weights, and what they take. */
export interface RuntimeWeights {
  /** It loads safetensors as they are, so that their table of tensors is worth reading. */
  readonly readsSafetensors?: boolean;
  /**
   * Chooses the weights: those of that name, as this engine names them; null: those that the model comes with. The same
   * question gives the same object, so that what is computed from it is kept.
   */
  readonly typeWeights: (spec: ModelSpec, name: string | null, subject: WeightsSubject) => TypedModel;
  /** What a person may choose from, with Σ tensor bytes. The same question gives the same list. */
  readonly weightsChoices: (spec: ModelSpec, subject: WeightsSubject) => readonly WeightsChoice[];
  /** Σ tensor bytes of a model that typeWeights has typed, every tensor once. */
  readonly weightsBytes: (model: ModelSpec) => number;
  /** What is to be said of the weights that the model comes with, whichever are chosen. */
  readonly weightsWarnings: (subject: WeightsSubject) => readonly string[];
}

/** What a plan is made with beside a model, options and a machine. */
export interface Loading {
  /** One that the runtime knows; null: the newest. */
  readonly version: string | null;
  /** Left out: none. Only what the runtime says that it takes. */
  readonly extras?: PlanExtras;
}

export interface Runtime extends RuntimeWeights {
  readonly id: EngineId;
  /** Newest first; a plan is for the newest unless another is asked for. */
  readonly versions: readonly string[];
  /** Whether this version's rules are known, for an engine that knows more of them than it lists. Left out: those listed. */
  readonly knows?: (version: string) => boolean;
  /** Options that few engines have and this one does. */
  readonly own?: readonly ForeignOption[];
  /** What it can be planned with beside the model; left out: nothing. */
  readonly extras?: readonly ExtraKind[];
  /** Cache types that a person is offered beside the engine's own, as --kv-type names them; the usual one first. Empty: no choice. */
  readonly kvOffered: readonly string[];
  /** It says itself what a load would take, without the weights (--ask-engine). */
  readonly asked?: true;
  /** One sentence: what this engine does otherwise than the others with this model's memory. For a comparison. */
  readonly difference: (model: ModelSpec) => string;
  /**
   * @param model as typeWeights gave it
   * @throws {RangeError} when its weights are not chosen
   */
  readonly plan: (
    model: ModelSpec,
    options: PlanOptions,
    machine: Machine,
    loading?: Loading,
  ) => EnginePlan | EngineRefusal;
}
