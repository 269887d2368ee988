/** What a repository's own files hold: its format, resolved for the model, and what its table of tensors says. Plain data. */
import type { FormatMethod } from "./format.ts";
import type { Scheme } from "./scheme.ts";

export const FLOAT_BYTES = { bf16: 2, f16: 2, f32: 4 } as const;
export type FloatName = keyof typeof FLOAT_BYTES;

export interface CheckpointFormat {
  /** "bf16", "gptq-4bit-g128", "nvfp4-mixed". */
  readonly id: string;
  readonly method: FormatMethod;
  /** Of what is not quantised. */
  readonly float: FloatName;
  readonly schemes: readonly Scheme[];
  /**
   * Which scheme a matrix has, by its name without "blk.N.": a letter for each layer, "a" the first scheme, "-" none. A
   * matrix that is not listed is not quantised.
   */
  readonly layers: Readonly<Record<string, string>>;
  /** The same for what stands outside the layers. */
  readonly outside: Readonly<Record<string, string>>;
}

/** Bytes as the table of tensors in the files has them. Arrays are indexed like the model's layers. */
export interface CheckpointTable {
  readonly layers: readonly number[];
  readonly experts: readonly number[];
  readonly mtp: readonly number[];
  readonly outside: readonly { readonly name: string; readonly bytes: number }[];
  /** Towers for images and sound, what joins them to the model, multi-token prediction that the config does not count. */
  readonly aside: readonly { readonly name: string; readonly bytes: number }[];
  /** Every tensor of the files. */
  readonly total: number;
}

export interface Checkpoint {
  readonly format:
    | ({ readonly status: "ok" } & CheckpointFormat)
    | { readonly status: "unknown"; readonly reason: string; readonly missing: readonly string[] };
  /** null: not read. */
  readonly table: CheckpointTable | null;
  /** metadata.total_size of the index, where it says one: every tensor of the files. */
  readonly totalBytes: number | null;
}
