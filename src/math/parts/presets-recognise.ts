import { type GgmlType, tensorBytes } from "../ggml-types.ts";
import type { ModelSpec } from "../model.ts";
import { assignPreset, fits } from "./presets.ts";
import { PRESET_IDS, PRESETS, type PresetId, presetOfFileType } from "./presets-table.ts";
import { tensorsOf } from "./weights-check.ts";

/**
 * A model read from a file, labelled by what its types are: the preset that general.file_type names, else the preset that
 * types every tensor so, else the type that most bytes have. Types stay as they are.
 * @param fileType  general.file_type; null where it is not known
 */
export function asFile(spec: ModelSpec, fileType: number | null = null): ModelSpec {
  const named = fileType === null ? null : presetOfFileType(fileType);
  const name = named ?? recognise(spec) ?? spec.weights?.name ?? null;
  return name === null ? spec : { ...spec, weights: { name, basis: "exact" } };
}

function recognise(spec: ModelSpec): PresetId | GgmlType | null {
  const present = new Set([...tensorsOf(spec)].map(({ type }) => type));
  for (const preset of PRESET_IDS) {
    if (!present.has(PRESETS[preset].defaultType) || !fits(spec, preset)) continue;
    if (isTypedAs(spec, preset, false) || isTypedAs(spec, preset, true)) return preset;
  }
  return majorityType(spec);
}

function isTypedAs(spec: ModelSpec, preset: PresetId, imatrix: boolean): boolean {
  const wanted = tensorsOf(assignPreset(spec, preset, { imatrix }));
  for (const { type } of tensorsOf(spec)) {
    if (wanted.next().value?.type !== type) return false;
  }
  return true;
}

/** The type that most bytes have; null when no tensor has one. */
function majorityType(spec: ModelSpec): GgmlType | null {
  const bytes = new Map<GgmlType, number>();
  let most: GgmlType | null = null;
  for (const { type, shape } of tensorsOf(spec)) {
    if (type === null) continue;
    const sum = (bytes.get(type) ?? 0) + tensorBytes(type, shape);
    bytes.set(type, sum);
    if (most === null || sum > (bytes.get(most) ?? 0)) most = type;
  }
  return most;
}
