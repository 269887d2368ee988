/** A weight format as engines other than llama.cpp know it: what each tensor of a model takes. */
import type { LayerSpec, ModelSpec, TensorSpec } from "../../model.ts";

/** Where a tensor stands: its layer, null outside of them. */
export interface TensorPlace {
  readonly model: ModelSpec;
  readonly layer: LayerSpec | null;
}

/** Tools and layouts; an engine says which of them it loads. "isq": made by mistral.rs while it loads. */
export type FormatMethod =
  | "plain"
  | "fp8"
  | "fp8-block"
  | "int8"
  | "gptq"
  | "awq"
  | "compressed-tensors"
  | "nvfp4"
  | "mxfp4"
  | "bitsandbytes"
  | "mlx"
  | "exl3"
  | "isq"
  | "hqq"
  | "torchao";

export interface WeightFormat {
  readonly method: FormatMethod;
  /** As it is asked for: "bf16", "mlx-4bit-g64", "gptq-4bit-g128". */
  readonly id: string;
  /** exact: the tool's own rule, checked against a file of its making; modelled otherwise. */
  readonly basis: "exact" | "modelled";
  /** Bytes in the file, packed weights with their scales and zeros; 0 for a tensor that exists in GGUF files only. */
  readonly bytes: (tensor: TensorSpec, at: TensorPlace) => number;
  /** Of a head that is the embedding again, where the tool stores it on its own; listed as "output.weight". */
  readonly tiedHeadBytes?: (embedding: TensorSpec) => number;
}

/** Bytes by what travels together; arrays are indexed like the model's layers. */
export interface FormatSizes {
  /** All tensors of a layer, its routed experts included. */
  readonly layers: Float64Array;
  /** A layer's routed experts alone. */
  readonly experts: Float64Array;
  /** Multi-token-prediction blocks: in the file, and not in `total`, since they are loaded only when asked for. */
  readonly mtp: Float64Array;
  /** A tied head is the embedding once, as safetensors hold it. Names are llama.cpp's where it has one. */
  readonly outside: readonly { readonly name: string; readonly bytes: number }[];
  /** Towers and the like, in the files and not in `total`; empty where the files' table was not read. */
  readonly aside: readonly { readonly name: string; readonly bytes: number }[];
  /** Layers and what stands outside them. */
  readonly total: number;
}
