/** What opening a model gives, from wherever it was opened. */
import type { GgufHeader, RawConfig } from "../math/arch/family.ts";
import { specFromGguf } from "../math/arch/index.ts";
import type { SpecResult } from "../math/model.ts";
import { presetOfFileType } from "../math/parts/presets-table.ts";
import type { GgufModel } from "./gguf/read-model.ts";
import type { FileChoice } from "./picker.ts";
import { quantOfPath } from "./quant-name.ts";
import type { TableTensor } from "./tensor-table.ts";

export const SAFETENSORS_INDEX = "model.safetensors.index.json";

export interface OpenedModel {
  /** `org/name` on the hub, else the path. */
  readonly id: string;
  readonly source: "hub" | "file" | "folder";
  /** The commit; null for what is on disk. */
  readonly revision: string | null;
  readonly spec: SpecResult;
  /** Every file that could be taken, models first. */
  readonly files: readonly FileChoice[];
  /** The one that `spec` describes; null when the model comes in no file we read (PyTorch's .bin). */
  readonly chosen: FileChoice | null;
  /** What it takes to get it; 0 for what is on disk, null when not known. */
  readonly downloadBytes: number | null;
  /** The chosen file's header, when it is GGUF. */
  readonly gguf: GgufHeader | null;
  /** config.json, when the geometry comes from it. */
  readonly config: RawConfig | null;
  /** What the safetensors (or the index of PyTorch's files) say without being read: bytes of all tensors, and elements by dtype. */
  readonly safetensors: SafetensorsTotals | null;
  /** The table of tensors of the safetensors, read when it is asked for; null where there are none. @throws {AppError} */
  readonly readTensors: (() => Promise<readonly TableTensor[]>) | null;
  readonly warnings: readonly string[];
  /** ISO 8601, when the hub last said that this is the newest; null for what is on disk. */
  readonly fetchedAt: string | null;
}

export const PYTORCH_INDEX = "pytorch_model.bin.index.json";

export interface SafetensorsTotals {
  readonly totalBytes: number | null;
  readonly elementsByDtype: Readonly<Record<string, number>> | null;
}

/** @param path  the file's; a name such as Q4_K_M or UD-Q4_K_XL in it is what its weights are called */
export function fromGguf({ header }: GgufModel, path: string) {
  return { spec: withWeightsName(specFromGguf(header), header, path), gguf: header, config: null } as const;
}

/** By the name in the path, else by general.file_type; the types are the file's own in any case. */
function withWeightsName(result: SpecResult, header: GgufHeader, path: string): SpecResult {
  if (result.status !== "ok" || result.spec.tensorSource !== "file") return result;
  const fileType = header.metadata.get("general.file_type");
  const name = quantOfPath(path) ?? (typeof fileType === "number" ? presetOfFileType(fileType) : null);
  return name === null ? result : { ...result, spec: { ...result.spec, weights: { name, basis: "exact" } } };
}

/** Bits of the files, metadata included, for one element of a tensor; null for a file without tensors. */
export function bitsPerWeight(fileBytes: number, { header }: GgufModel): number | null {
  const elements = header.tensors.reduce((total, { shape }) => total + shape.reduce((n, d) => n * d, 1), 0);
  return elements === 0 ? null : (fileBytes * 8) / elements;
}

export function missingNote(choice: FileChoice | null): string[] {
  if (choice === null || choice.missingParts === 0) return [];
  return [`${choice.missingParts} of the files that hold the weights are not there`];
}
