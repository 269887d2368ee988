/** A model from a repository on the hub, at its commit. */
import { dirname } from "node:path";
import { AppError } from "../errors.ts";
import { specFromConfig } from "../math/arch/index.ts";
import { parseConfigJson } from "./config-json.ts";
import {
  bitsPerWeight,
  fromGguf,
  missingNote,
  type OpenedModel,
  PYTORCH_INDEX,
  SAFETENSORS_INDEX,
  type SafetensorsTotals,
} from "./opened-model.ts";
import { type FileChoice, ggufChoices, pickChoice, recommendedChoice, safetensorsChoice } from "./picker.ts";
import { stemWithoutQuant } from "./quant-name.ts";
import { withQuantizationFile } from "./quantization-file.ts";
import type { Repo } from "./repo.ts";
import { parseSafetensorsIndex, sumOf } from "./safetensors.ts";
import { readTensorTable } from "./tensor-table.ts";

/**
 * @param pick  a quantisation or a file of it; null for config.json with safetensors, else the recommended GGUF
 */
export async function openFromRepo(repo: Repo, pick: string | null): Promise<OpenedModel> {
  const ggufs = ggufChoices(repo.files);
  const index = repo.has(SAFETENSORS_INDEX)
    ? parseSafetensorsIndex(await repo.text(SAFETENSORS_INDEX), `${repo.id}/${SAFETENSORS_INDEX}`)
    : null;
  const safetensors = safetensorsChoice(
    repo.files,
    index?.files ?? null,
    repo.elementsByDtype === null ? null : sumOf(repo.elementsByDtype),
  );
  const totals = { totalBytes: index?.totalBytes ?? null, elementsByDtype: repo.elementsByDtype };
  const whole = safetensors !== null && safetensors.missingParts === 0 ? safetensors.paths : null;
  const base = {
    id: repo.id,
    source: "hub",
    revision: repo.sha,
    safetensors: safetensors === null ? null : totals,
    readTensors: whole === null ? null : () => readTensorTable(whole, repo.tensors),
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
  const ownConfig = parseConfigJson(await repo.text("config.json"), `${repo.id}/config.json`);
  const config = await withQuantizationFile(ownConfig, repo.has, repo.text);
  return {
    ...base,
    safetensors: base.safetensors ?? (await pytorchTotals(repo)),
    spec: specFromConfig(config),
    gguf: null,
    config,
    files: safetensors === null ? ggufs : [safetensors, ...ggufs],
    chosen: safetensors,
    downloadBytes: safetensors?.bytes ?? null,
    warnings: safetensors === null ? [noWeights(repo)] : missingNote(safetensors),
  };
}

/** What the index of PyTorch's own files says, where there are no safetensors. */
async function pytorchTotals(repo: Repo): Promise<SafetensorsTotals | null> {
  if (!repo.has(PYTORCH_INDEX)) return null;
  const { totalBytes } = parseSafetensorsIndex(await repo.text(PYTORCH_INDEX), `${repo.id}/${PYTORCH_INDEX}`);
  return { totalBytes, elementsByDtype: null };
}

async function fromChoice(
  repo: Repo,
  chosen: FileChoice,
  ggufs: readonly FileChoice[],
  safetensors: FileChoice | null,
  warnings: readonly string[],
) {
  const model = await repo.gguf(chosen.paths[0] ?? "");
  const stem = modelStem(chosen);
  // The parameters of one file are those of all of the same model, however they are quantised.
  const sized = ggufs.map((choice) =>
    isModel(choice) && modelStem(choice) === stem
      ? { ...choice, bitsPerWeight: bitsPerWeight(choice.bytes, model) }
      : choice,
  );
  return {
    ...fromGguf(model, chosen.paths[0] ?? ""),
    files: safetensors === null ? sized : [...sized, safetensors],
    chosen: { ...chosen, bitsPerWeight: bitsPerWeight(chosen.bytes, model) },
    downloadBytes: chosen.bytes,
    warnings,
  };
}

function modelStem(choice: FileChoice): string {
  return stemWithoutQuant(choice.paths[0] ?? "");
}

function isModel(choice: FileChoice): boolean {
  return choice.role === "model" && choice.format === "gguf";
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
