/** What a family has to answer: the model it builds from either description. */
import type { SpecResult } from "../model.ts";
import type { FamilyId } from "./families.ts";

/** A JSON object as parsed; the family reads its own fields through arch/fields.ts, which says what is wrong with one. */
export type RawConfig = Readonly<Record<string, unknown>>;

export type MetadataValue = string | number | boolean | readonly string[] | readonly number[] | readonly boolean[];

/** A GGUF file's header, checked and converted at the door (hub/). */
export interface GgufHeader {
  readonly architecture: string;
  /** Integers above 2^53 are refused at the door; long arrays of the tokenizer are replaced by their length. */
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** Length of each array that was not kept (tokenizer.ggml.tokens …). */
  readonly arrayLengths: ReadonlyMap<string, number>;
  /** Of all shards; empty for a dump of the metadata alone. */
  readonly tensors: readonly GgufTensor[];
}

export interface GgufTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** ggml's name of the type, e.g. "Q4_K"; "type 39" style for one we do not know. */
  readonly type: string;
  readonly shard: number;
  /** From the start of the shard's file. */
  readonly offset: number;
}

export interface ArchFamily {
  readonly id: FamilyId;
  /** config.json: model_type values this family answers for. */
  readonly modelTypes: readonly string[];
  /** GGUF: general.architecture values. */
  readonly ggufArchitectures: readonly string[];
  readonly fromConfig: (config: RawConfig) => SpecResult;
  readonly fromGguf: (header: GgufHeader) => SpecResult;
}
