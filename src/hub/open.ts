/** From MODEL to what the planner needs: the model's geometry, and the files it comes in. Never the weights themselves. */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { AppError } from "../errors.ts";
import type { GgufHeader, RawConfig } from "../math/arch/family.ts";
import { specFromConfig, specFromGguf } from "../math/arch/index.ts";
import type { SpecResult } from "../math/model.ts";
import { asFile } from "../math/parts/presets-recognise.ts";
import { fileError, withFile } from "./byte-source.ts";
import { createHubCache } from "./cache.ts";
import { createHubClient } from "./client.ts";
import { parseConfigJson } from "./config-json.ts";
import { type GgufModel, readGgufModel } from "./gguf/read-model.ts";
import { createHttp } from "./http.ts";
import { type HubConfig, readToken } from "./hub-config.ts";
import { type ModelRef, parseModelRef } from "./model-ref.ts";
import { type FileChoice, ggufChoices, pickChoice, recommendedChoice, safetensorsChoice } from "./picker.ts";
import { quantOfPath } from "./quant-name.ts";
import { openRepo, type Repo, type RepoDeps } from "./repo.ts";
import { parseSafetensorsIndex } from "./safetensors.ts";
import { filesBelow } from "./shared-cache.ts";

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
  /** What the safetensors say without being read: bytes of all tensors, and elements by dtype. */
  readonly safetensors: SafetensorsTotals | null;
  readonly warnings: readonly string[];
  /** ISO 8601, when the hub last said that this is the newest; null for what is on disk. */
  readonly fetchedAt: string | null;
}

export interface SafetensorsTotals {
  readonly totalBytes: number | null;
  readonly elementsByDtype: Readonly<Record<string, number>> | null;
}

/** What a process keeps of the hub: one connection's manners, one cache. */
export function createHubDeps(
  config: HubConfig,
  options: { readonly cacheDir: string | null; readonly now: () => string; readonly signal?: AbortSignal },
): RepoDeps {
  const { signal } = options;
  const http = createHttp({
    endpoint: config.endpoint,
    token: config.offline ? null : readToken(config),
    ...(signal === undefined ? {} : { signal }),
  });
  return {
    client: config.offline ? null : createHubClient(config.endpoint, http),
    cache: createHubCache(options.cacheDir),
    sharedCacheDir: config.sharedCacheDir,
    now: options.now,
  };
}

/**
 * @param model  MODEL as a person writes it, or already told apart
 * @throws {AppError} usage, not_found, gated, network, rate_limited, malformed, unsupported, io. An architecture that is
 *   not known is no error: `spec.status` says so, and the files are listed all the same
 */
export async function openModel(model: string | ModelRef, deps: RepoDeps): Promise<OpenedModel> {
  const ref = typeof model === "string" ? parseModelRef(model) : model;
  switch (ref.kind) {
    case "file":
      return openFile(ref.path);
    case "folder":
      return openFolder(ref.path);
    case "hub": {
      const repo = await openRepo(ref.id, ref.revision, deps);
      const opened = await openFromRepo(repo, ref.pick);
      return { ...opened, warnings: [...repo.warnings, ...opened.warnings, ...deps.cache.warnings()] };
    }
    default:
      return ref satisfies never;
  }
}

async function openFile(path: string): Promise<OpenedModel> {
  const model = await readGgufModel(path, withFile);
  const described = fromGguf(model);
  const chosen: FileChoice = {
    // A file under a name that says nothing (Ollama's blobs) is named by what its header says.
    name: quantOfPath(basename(path)) ?? typesOf(described) ?? basename(path),
    format: "gguf",
    role: "model",
    paths: model.shards,
    bytes: model.fileBytes,
    bitsPerWeight: bitsPerWeight(model.fileBytes, model),
    missingParts: 0,
  };
  return { ...onDisk("file", path), ...described, files: [chosen], chosen };
}

function typesOf({ spec, gguf }: ReturnType<typeof fromGguf>): string | null {
  const fileType = gguf.metadata.get("general.file_type");
  return spec.status === "ok"
    ? (asFile(spec.spec, typeof fileType === "number" ? fileType : null).weights?.name ?? null)
    : null;
}

async function openFolder(path: string): Promise<OpenedModel> {
  const files = filesBelow(path);
  const config = parseConfigJson(readText(join(path, "config.json")), join(path, "config.json"));
  const indexPath = join(path, INDEX);
  const index = files.some((file) => file.path === INDEX)
    ? parseSafetensorsIndex(readText(indexPath), indexPath)
    : null;
  const safetensors = safetensorsChoice(files, index?.files ?? null, null);
  const choices = [...(safetensors === null ? [] : [safetensors]), ...ggufChoices(files)].map((choice) => ({
    ...choice,
    paths: choice.paths.map((file) => join(path, file)),
  }));
  const chosen = choices.find((choice) => choice.format === "safetensors") ?? null;
  return {
    ...onDisk("folder", path),
    spec: specFromConfig(config),
    gguf: null,
    config,
    files: choices,
    chosen,
    safetensors: index === null ? null : { totalBytes: index.totalBytes, elementsByDtype: null },
    warnings: missingNote(chosen),
  };
}

function onDisk(source: "file" | "folder", path: string) {
  return {
    id: path,
    source,
    revision: null,
    downloadBytes: 0,
    safetensors: null,
    warnings: [],
    fetchedAt: null,
  } as const;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw fileError(path, cause);
  }
}

const INDEX = "model.safetensors.index.json";

async function openFromRepo(repo: Repo, pick: string | null): Promise<OpenedModel> {
  const ggufs = ggufChoices(repo.files);
  const index = repo.has(INDEX) ? parseSafetensorsIndex(await repo.text(INDEX), `${repo.id}/${INDEX}`) : null;
  const safetensors = safetensorsChoice(repo.files, index?.files ?? null, sum(repo.elementsByDtype));
  const totals = { totalBytes: index?.totalBytes ?? null, elementsByDtype: repo.elementsByDtype };
  const base = {
    id: repo.id,
    source: "hub",
    revision: repo.sha,
    safetensors: safetensors === null ? null : totals,
    fetchedAt: repo.fetchedAt,
  } as const;

  if (pick !== null)
    return { ...base, ...(await fromChoice(repo, pickChoice(repo.id, ggufs, pick), ggufs, safetensors, [])) };
  const hasConfig = repo.has("config.json");
  const recommended = recommendedChoice(ggufs);
  if (recommended !== null && (!hasConfig || safetensors === null)) {
    const note = `"${repo.id}" has ${ggufs.filter(isModel).length} GGUF models, and none was named: ${recommended.name} is taken`;
    return {
      ...base,
      ...(await fromChoice(repo, recommended, ggufs, safetensors, ggufs.filter(isModel).length > 1 ? [note] : [])),
    };
  }
  if (!hasConfig) throw noModel(repo);
  const config = parseConfigJson(await repo.text("config.json"), `${repo.id}/config.json`);
  return {
    ...base,
    spec: specFromConfig(config),
    gguf: null,
    config,
    files: safetensors === null ? ggufs : [safetensors, ...ggufs],
    chosen: safetensors,
    downloadBytes: safetensors?.bytes ?? null,
    warnings: safetensors === null ? [noWeights(repo)] : missingNote(safetensors),
  };
}

async function fromChoice(
  repo: Repo,
  chosen: FileChoice,
  ggufs: readonly FileChoice[],
  safetensors: FileChoice | null,
  warnings: readonly string[],
) {
  const model = await repo.gguf(chosen.paths[0] ?? "");
  const sized = ggufs.map((choice) =>
    isModel(choice) ? { ...choice, bitsPerWeight: bitsPerWeight(choice.bytes, model) } : choice,
  );
  return {
    ...fromGguf(model),
    files: safetensors === null ? sized : [...sized, safetensors],
    chosen: { ...chosen, bitsPerWeight: bitsPerWeight(chosen.bytes, model) },
    downloadBytes: chosen.bytes,
    warnings,
  };
}

function fromGguf({ header }: GgufModel) {
  return { spec: specFromGguf(header), gguf: header, config: null } as const;
}

function isModel(choice: FileChoice): boolean {
  return choice.role === "model" && choice.format === "gguf";
}

/** Bits of the files, metadata included, for one element of a tensor; null for a file without tensors. */
function bitsPerWeight(fileBytes: number, { header }: GgufModel): number | null {
  const elements = header.tensors.reduce((total, { shape }) => total + shape.reduce((n, d) => n * d, 1), 0);
  return elements === 0 ? null : (fileBytes * 8) / elements;
}

function sum(counts: Readonly<Record<string, number>> | null): number | null {
  return counts === null ? null : Object.values(counts).reduce((total, n) => total + n, 0);
}

function missingNote(choice: FileChoice | null): string[] {
  if (choice === null || choice.missingParts === 0) return [];
  return [`${choice.missingParts} of the files that hold the weights are not there`];
}

function noWeights(repo: Repo): string {
  const torch = repo.files.some(({ path }) => /\.(bin|pth|pt)$/.test(path));
  return torch
    ? `"${repo.id}" has its weights in PyTorch's own format, which few engines load: convert it to safetensors`
    : `"${repo.id}" has a config.json, and no weights`;
}

function noModel(repo: Repo): AppError {
  if (repo.has("adapter_config.json")) {
    return new AppError("unsupported", `Cannot plan "${repo.id}": it is an adapter, not a model`, {
      hint: "plan the model that it was made for",
    });
  }
  const folder = repo.files.find(({ path }) => path.endsWith("/config.json"));
  const hint = folder === undefined ? null : `it has one in "${dirname(folder.path)}", which is not read`;
  return new AppError("unsupported", `Cannot plan "${repo.id}": it has neither config.json nor a whole GGUF file`, {
    hint,
  });
}
