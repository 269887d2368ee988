/** A repository's files as choices: each GGUF quantisation with its parts as one, each projector apart, safetensors as one. */
import { AppError } from "../errors.ts";
import type { HubFile } from "./client.ts";
import { parseShardName, shardPath } from "./gguf/shards.ts";
import { quantOfPath, RECOMMENDED_ORDER } from "./quant-name.ts";

/**
 * model: loads alone. The others go beside a model: projector (mmproj), draft (multi-token prediction and the like),
 * adapter (LoRA), imatrix (never loaded).
 */
export type FileRole = "model" | "projector" | "draft" | "adapter" | "imatrix";

export interface FileChoice {
  /** "Q4_K_M", "mmproj F16", "safetensors": what a person picks by. */
  readonly name: string;
  readonly format: "gguf" | "safetensors";
  readonly role: FileRole;
  /** In the repository, or on disk; all parts, in order. */
  readonly paths: readonly string[];
  readonly bytes: number;
  /** Of the whole model, files' size over parameters; null while the parameters are not known. */
  readonly bitsPerWeight: number | null;
  /** Parts that their names promise and that are not there. */
  readonly missingParts: number;
}

/** GGUF choices, models first, by size. */
export function ggufChoices(files: readonly HubFile[]): FileChoice[] {
  const groups = new Map<string, { count: number; parts: { no: number; file: HubFile }[] }>();
  for (const file of files) {
    if (!/\.gguf$/i.test(file.path)) continue;
    const shard = parseShardName(file.path);
    const key = shard === null ? file.path : shardPath(shard, 0);
    const group = groups.get(key) ?? { count: shard?.count ?? 1, parts: [] };
    group.parts.push({ no: shard?.no ?? 0, file });
    groups.set(key, group);
  }
  const choices = [...groups.values()].map(({ count, parts }) => {
    const inOrder = parts.toSorted((a, b) => a.no - b.no).map(({ file }) => file);
    return choiceOf(inOrder, count - inOrder.length);
  });
  return choices.toSorted((a, b) => rank(a.role) - rank(b.role) || a.bytes - b.bytes || compare(a.name, b.name));
}

function choiceOf(files: readonly HubFile[], missingParts: number): FileChoice {
  const path = files[0]?.path ?? "";
  const role = roleOf(path);
  const quant = quantOfPath(path);
  const label = quant ?? stemOf(path);
  return {
    name: role === "model" ? label : `${ROLE_LABELS[role]} ${label}`,
    format: "gguf",
    role,
    paths: files.map((file) => file.path),
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    bitsPerWeight: null,
    missingParts,
  };
}

const ROLE_LABELS = { projector: "mmproj", draft: "draft", adapter: "adapter", imatrix: "imatrix" } as const;

/**
 * By the file's name, as llama.cpp tells them apart; `lora` and `adapter` as whole words are our addition.
 * @source llama.cpp common/download.cpp gguf_filename_is_model@0216dab364b886a4638020856333c07044453dd9
 */
function roleOf(path: string): FileRole {
  const file = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  if (file.includes("mmproj")) return "projector";
  if (file.includes("imatrix")) return "imatrix";
  if (/mtp-|eagle3-|dflash-|dspark-/.test(file)) return "draft";
  return /(?<![a-z0-9])(?:lora|adapter)(?![a-z0-9])/.test(file) ? "adapter" : "model";
}

function rank(role: FileRole): number {
  return role === "model" ? 0 : 1;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function stemOf(path: string): string {
  return path.replace(/(?:-\d{5}-of-\d{5})?\.gguf$/i, "");
}

/** The weights' files: those an index names, else the one that is not split. */
export function safetensorsChoice(
  files: readonly HubFile[],
  named: readonly string[] | null,
  parameters: number | null,
): FileChoice | null {
  const wanted = new Set(named ?? defaultSafetensors(files));
  const present = files.filter((file) => wanted.has(file.path));
  if (present.length === 0) return null;
  const bytes = present.reduce((sum, file) => sum + file.size, 0);
  return {
    name: "safetensors",
    format: "safetensors",
    role: "model",
    paths: present.map((file) => file.path),
    bytes,
    bitsPerWeight: parameters === null || parameters === 0 ? null : (bytes * 8) / parameters,
    missingParts: wanted.size - present.length,
  };
}

/** `consolidated.*` and files in folders are the same weights in another layout: never counted twice. */
function defaultSafetensors(files: readonly HubFile[]): string[] {
  const top = files.map((file) => file.path).filter((path) => /^[^/]+\.safetensors$/.test(path));
  if (top.includes("model.safetensors")) return ["model.safetensors"];
  const parts = top.filter((path) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(path));
  if (parts.length > 0) return parts;
  return top.filter((path) => !path.startsWith("consolidated") && !path.startsWith("adapter_"));
}

/**
 * The choice that `pick` names: a path in the repository, or a quantisation, exactly (Q4_K is not Q4_K_M), upper or
 * lower case alike. `UD-` may be left out where that leaves one.
 * @throws {AppError} not_found, usage when several have that name
 */
export function pickChoice(id: string, choices: readonly FileChoice[], pick: string): FileChoice {
  const ggufs = choices.filter((choice) => choice.format === "gguf");
  if (/\.gguf$/i.test(pick)) {
    const byPath =
      ggufs.find((choice) => choice.paths.includes(pick)) ??
      onlyOne(ggufs.filter((choice) => choice.paths.some((path) => path.endsWith(`/${pick}`))));
    if (byPath !== undefined) return byPath;
    throw new AppError("not_found", `Cannot find "${pick}" in "${id}": it has no such file`, { hint: offer(ggufs) });
  }
  const wanted = pick.toUpperCase();
  const models = ggufs.filter((choice) => choice.role === "model");
  const exact = models.filter((choice) => choice.name.toUpperCase() === wanted);
  const found = exact.length > 0 ? exact : models.filter((choice) => choice.name.toUpperCase() === `UD-${wanted}`);
  const [first] = found;
  if (first === undefined) {
    throw new AppError("not_found", `Cannot find "${pick}" in "${id}": it has no file of that quantisation`, {
      hint: offer(models),
    });
  }
  if (found.length === 1) return first;
  const paths = found.map((choice) => choice.paths[0] ?? "").join(", ");
  throw new AppError("usage", `Cannot tell which file of "${id}" is meant: "${pick}" fits ${found.length} of them`, {
    hint: `name the file after the colon: ${paths}`,
  });
}

function onlyOne<T>(list: readonly T[]): T | undefined {
  return list.length === 1 ? list[0] : undefined;
}

function offer(choices: readonly FileChoice[]): string {
  const names = choices.slice(0, 30).map((choice) => choice.name);
  return names.length === 0 ? "it has no GGUF files" : `it has ${names.join(", ")}`;
}

/** The choice for a repository named without one; null when it has no whole GGUF model. */
export function recommendedChoice(choices: readonly FileChoice[]): FileChoice | null {
  const models = choices.filter(
    (choice) => choice.format === "gguf" && choice.role === "model" && choice.missingParts === 0,
  );
  for (const name of RECOMMENDED_ORDER) {
    const found = models.find((choice) => choice.name === name);
    if (found !== undefined) return found;
  }
  return models[0] ?? null;
}
