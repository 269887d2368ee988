/** The answer to a plan, as the public contract has it ("hwledger.plan/1"): what the command line prints as JSON and the page draws. */
import type { EngineId } from "./options.ts";

export type PlanStatus = "fits" | "does_not_fit" | "unknown" | "error";

/** exact: read from a file or equal to the engine's own arithmetic; modelled: a formula with a known error; measured; engine: the engine said so. */
export type Basis = "exact" | "modelled" | "measured" | "engine";

export interface DeviceFacts {
  readonly id: string;
  readonly name: string;
  readonly memory_bytes: number | null;
  readonly usable_bytes: number | null;
  readonly free_bytes: number | null;
  readonly bandwidth_bytes_per_second: number | null;
}

export interface PartsBytes {
  readonly weights_bytes: number;
  readonly kv_cache_bytes: number;
  readonly state_bytes: number;
  readonly compute_bytes: number;
  readonly output_bytes: number;
  readonly overhead_bytes: number;
}
export type Part = keyof PartsBytes;

export interface DeviceMemory extends PartsBytes {
  readonly device: string;
  readonly reserved_bytes: number;
  readonly total_bytes: number;
  /** memory - reserved - total; negative = short by that much. null: nobody knows the limit. */
  readonly free_bytes: number | null;
}

export interface LayerMemory {
  readonly index: number;
  readonly mixers: readonly string[];
  readonly feed_forward: "dense" | "moe" | "none";
  readonly device: string;
  readonly weights_bytes: number;
  readonly kv_cache_bytes: number;
  readonly state_bytes: number;
  readonly kv_cells: number;
  readonly kv_shared_with: number | null;
  readonly side_caches: readonly { readonly name: string; readonly bytes: number }[];
}

export interface OutsideMemory {
  readonly name: string;
  readonly weights_bytes: number;
  /** A draft model's cache and state; left out: 0. */
  readonly kv_cache_bytes?: number;
  readonly state_bytes?: number;
  readonly device: string;
}

export interface AskedMemory {
  readonly engine: string;
  readonly version: string;
  readonly weights_bytes: number | null;
  readonly kv_cache_bytes: number | null;
  readonly state_bytes: number | null;
  readonly compute_bytes: number | null;
  readonly output_bytes: number | null;
}

export interface PlanMemory {
  readonly total_bytes: number | null;
  readonly weights_bytes: number | null;
  readonly kv_cache_bytes: number | null;
  readonly state_bytes: number | null;
  readonly compute_bytes: number | null;
  readonly output_bytes: number | null;
  readonly overhead_bytes: number | null;
  readonly reserved_bytes: number | null;
  readonly low_bytes: number | null;
  readonly high_bytes: number | null;
  readonly basis: Readonly<Record<Part, Basis>> | null;
  readonly by_device: readonly DeviceMemory[];
  /** Left out with --summary. */
  readonly by_layer?: readonly LayerMemory[];
  readonly outside_layers?: readonly OutsideMemory[];
  readonly asked: AskedMemory | null;
}

export interface PlanLimits {
  readonly max_context: number | null;
  readonly max_sequences: number | null;
  readonly gpu_layers: number | null;
  /** Fewest layers whose experts go to system memory so that all layers fit accelerators. */
  readonly cpu_moe_layers: number | null;
  /** Layers by accelerator so that all fit. */
  readonly tensor_split: readonly number[] | null;
  readonly best_weights: string | null;
}

export interface PlanModel {
  readonly id: string | null;
  readonly source: string | null;
  readonly revision: string | null;
  readonly family: string | null;
  readonly layers: number | null;
  readonly context_trained: number | null;
  readonly parameters: { readonly total: number; readonly active: number; readonly embedding: number } | null;
}

export type OptionValue =
  | string
  | number
  | boolean
  | null
  | readonly number[]
  | readonly { readonly pattern: string; readonly buffer: string }[];

export interface PlanResult {
  readonly schema: "hwledger.plan/1";
  readonly status: PlanStatus;
  readonly tight: boolean;
  readonly model: PlanModel;
  readonly engine: { readonly id: EngineId; readonly version: string };
  readonly options: Readonly<Record<string, OptionValue>>;
  readonly devices: readonly DeviceFacts[];
  readonly memory: PlanMemory;
  readonly limits: PlanLimits;
  readonly speed: null;
  readonly price: null;
  readonly download_bytes: number | null;
  readonly command: string | null;
  /** One line per term: formula, numbers, source. Left out with --summary. */
  readonly explanation?: readonly string[];
  readonly warnings: readonly string[];
  /** status unknown: what is not known, and what is missing. */
  readonly reason?: string;
  readonly missing?: readonly string[];
  /** status error. */
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string | null };
}
