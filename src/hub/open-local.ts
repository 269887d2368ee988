/** Models on disk: a GGUF file, or a folder with config.json. */

import { basename, join } from "node:path";
import { AppError } from "../errors.ts";
import { specFromConfig } from "../math/arch/index.ts";
import { UNNAMED_WEIGHTS } from "../math/model.ts";
import { asFile } from "../math/parts/presets-recognise.ts";
import { readTextFile, withFile } from "./byte-source.ts";
import { parseConfigJson } from "./config-json.ts";
import { readGgufModel } from "./gguf/read-model.ts";
import { bitsPerWeight, fromGguf, missingNote, type OpenedModel, SAFETENSORS_INDEX } from "./opened-model.ts";
import { type FileChoice, ggufChoices, safetensorsChoice } from "./picker.ts";
import { quantOfPath } from "./quant-name.ts";
import { withQuantizationFile } from "./quantization-file.ts";
import {
  elementsByDtype,
  parseSafetensorsIndex,
  readSafetensorsHeader,
  type SafetensorsTensor,
  sumOf,
} from "./safetensors.ts";
import { filesBelow } from "./shared-cache.ts";

/** A .gguf file, or any part of a split one. */
export async function openFile(path: string): Promise<OpenedModel> {
  const model = await readGgufModel(path, withFile);
  const described = fromGguf(model, basename(path));
  const chosen: FileChoice = {
    // A file under a name that says nothing (Ollama's blobs) is named by what its header says.
    name: quantOfPath(basename(path)) ?? weightsNameOf(described) ?? basename(path),
    format: "gguf",
    role: "model",
    paths: model.shards,
    bytes: model.fileBytes,
    bitsPerWeight: bitsPerWeight(model.fileBytes, model),
    missingParts: 0,
  };
  return { ...onDisk("file", path), ...described, files: [chosen], chosen };
}

function weightsNameOf({ spec }: ReturnType<typeof fromGguf>): string | null {
  if (spec.status !== "ok") return null;
  const name = spec.spec.weights?.name ?? UNNAMED_WEIGHTS;
  return name === UNNAMED_WEIGHTS ? (asFile(spec.spec).weights?.name ?? null) : name;
}

/** A folder with config.json; its safetensors are read as far as their headers go. */
export async function openFolder(path: string): Promise<OpenedModel> {
  const files = filesBelow(path);
  const config = await withQuantizationFile(
    parseConfigJson(await readTextFile(join(path, "config.json")), join(path, "config.json")),
    (name) => files.some((file) => file.path === name),
    (name) => readTextFile(join(path, name)),
  );
  const indexPath = join(path, SAFETENSORS_INDEX);
  const index = files.some((file) => file.path === SAFETENSORS_INDEX)
    ? parseSafetensorsIndex(await readTextFile(indexPath), indexPath)
    : null;
  const safetensors = safetensorsChoice(files, index?.files ?? null, null);
  const ggufs = ggufChoices(files).map((choice) => inFolder(path, choice));
  const base = { ...onDisk("folder", path), spec: specFromConfig(config), gguf: null, config };
  if (safetensors === null) return { ...base, files: ggufs, chosen: null };
  const { counted, tensors, warnings } = await readHeaders(path, safetensors.paths);
  const elements = counted === null ? null : sumOf(counted);
  const chosen = inFolder(path, {
    ...safetensors,
    bitsPerWeight: elements === null || elements === 0 ? null : (safetensors.bytes * 8) / elements,
  });
  return {
    ...base,
    files: [chosen, ...ggufs],
    chosen,
    safetensors: { totalBytes: index?.totalBytes ?? null, elementsByDtype: counted },
    readTensors: tensors === null || chosen.missingParts > 0 ? null : async () => tensors,
    warnings: [...missingNote(chosen), ...warnings],
  };
}

function inFolder(folder: string, choice: FileChoice): FileChoice {
  return { ...choice, paths: choice.paths.map((file) => join(folder, file)) };
}

interface Headers {
  /** null when a header cannot be read. */
  readonly counted: Readonly<Record<string, number>> | null;
  readonly tensors: readonly SafetensorsTensor[] | null;
  readonly warnings: readonly string[];
}

/** A damaged weights file does not keep the geometry from being read: it is told, and the count is not known. */
async function readHeaders(folder: string, paths: readonly string[]): Promise<Headers> {
  const tensors: SafetensorsTensor[] = [];
  for (const path of paths) {
    try {
      tensors.push(...(await withFile(join(folder, path), readSafetensorsHeader)));
    } catch (error) {
      if (error instanceof AppError) return { counted: null, tensors: null, warnings: [error.message] };
      throw error;
    }
  }
  return { counted: elementsByDtype(tensors), tensors, warnings: [] };
}

function onDisk(source: "file" | "folder", path: string) {
  return {
    id: path,
    source,
    revision: null,
    downloadBytes: 0,
    safetensors: null,
    readTensors: null,
    warnings: [],
    fetchedAt: null,
  } as const;
}
