/** What a plan is made from: a model and where it comes from, options, a machine. */
import type { PlanExtras } from "./extras.ts";
import type { Machine } from "./machine.ts";
import type { SpecResult } from "./model.ts";
import type { EngineId, PlanOptions } from "./options.ts";
import type { Checkpoint } from "./parts/formats/checkpoint.ts";

/** Weights that the model can be had in: a repository's real files, or presets. */
export interface WeightsChoice {
  readonly name: string;
  /** Σ tensor bytes, or the file's size where the header was not read. */
  readonly bytes: number;
}

/** What is known about where the model comes from. */
export interface PlanSubject {
  readonly id: string | null;
  readonly source: "hub" | "file" | "folder" | "built-in";
  readonly revision: string | null;
  /** The GGUF that was read: its path or its name in the repository; null for a model known from its config alone. */
  readonly file: string | null;
  readonly downloadBytes: number | null;
  /** What the chosen files hold, on disk or to come: the least that the weights take while nothing else is known. */
  readonly fileBytes?: number | null;
  readonly spec: SpecResult;
  /** The preset that llama.cpp's converter makes of weights that are no GGUF; null: not quantized, BF16. */
  readonly published?: string | null;
  /** Said where the repository's files hold something else than the conversion will. */
  readonly publishedWarning?: string | null;
  /** What the repository's safetensors hold, for engines that load them; null for a GGUF. */
  readonly checkpoint?: Checkpoint | null;
  /** Empty: the presets are the choices. */
  readonly choices: readonly WeightsChoice[];
  readonly warnings: readonly string[];
}

export interface PlanInput {
  readonly subject: PlanSubject;
  /** null: as the files have it. */
  readonly weights: string | null;
  readonly engine: EngineId;
  /** null: the newest that is known. */
  readonly engineVersion: string | null;
  /** As it was asked for. */
  readonly device: string;
  readonly options: PlanOptions;
  /** Left out: none. */
  readonly extras?: PlanExtras;
  readonly machine: Machine;
  /** Leaves out by_layer, outside_layers and explanation. */
  readonly summary: boolean;
}
