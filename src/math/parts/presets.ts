import { GGML_TYPES, type GgmlType, isQuantized, rowBytes } from "../ggml-types.ts";
import type { LayerSpec, ModelSpec, TensorSpec, WeightsLabel } from "../model.ts";
import { isAlwaysFloat32 } from "./presets-category.ts";
import { subjectOf } from "./presets-subject.ts";
import { PRESET_IDS, PRESETS, type PresetId } from "./presets-table.ts";
import { canShorten, type Facts, fitting, mixedType } from "./presets-type.ts";
import { EXACT, sizeWeights } from "./weights.ts";
import { tensorsOf } from "./weights-check.ts";

export interface AssignOptions {
  /** An importance matrix is given. Presets that cannot be made without one are always taken with one. */
  readonly imatrix: boolean;
  /** llama.cpp's build that quantizes; nothing = the newest known. Before 8266 a fused attn_qkv had a rule of its own. */
  readonly build?: number | null;
}

/** First build in which attn_qkv and attn_kv_b are treated like attn_v. */
const FUSED_LIKE_VALUE = 8266;

const known = new WeakMap<ModelSpec, Map<string, ModelSpec>>();

/**
 * The model as llama-quantize would write it: every tensor typed. Tensors that it keeps have the type they had, or the
 * converter's. The same question gives the same object, so that what is computed from it is kept.
 * Basis "exact" without importance matrix, "modelled" with one: who uses one often changes the mixture as well.
 * @throws {RangeError} when the preset has no type that fits a tensor's rows (Q1_0 with rows that are no multiple of 128)
 * @source llama.cpp v0.5.0 (de3ff815ea7d559ee917f063901b8986f038abc6) src/llama-quant.cpp
 */
export function assignPreset(spec: ModelSpec, preset: PresetId, options: AssignOptions): ModelSpec {
  let ofSpec = known.get(spec);
  if (ofSpec === undefined) {
    ofSpec = new Map();
    known.set(spec, ofSpec);
  }
  const imatrix = options.imatrix || PRESETS[preset].needsMatrix;
  const alone = (options.build ?? FUSED_LIKE_VALUE) < FUSED_LIKE_VALUE;
  const key = `${preset} ${imatrix} ${alone}`;
  let typed = ofSpec.get(key);
  if (typed === undefined) {
    typed = assign(spec, preset, imatrix, alone);
    ofSpec.set(key, typed);
  }
  return typed;
}

function assign(spec: ModelSpec, preset: PresetId, imatrix: boolean, alone: boolean): ModelSpec {
  const subject = subjectOf(spec);
  const types = new Map<TensorSpec, GgmlType>();
  for (const [i, type] of typesOf({ subject, preset, imatrix, alone }).entries()) {
    const tensor = subject.tensors[i]?.tensor;
    if (tensor !== undefined) types.set(tensor, type);
  }
  const typed = (tensor: TensorSpec): TensorSpec => ({ ...tensor, type: types.get(tensor) ?? tensor.type, at: null });
  const layer = (l: LayerSpec): LayerSpec => ({ ...l, tensors: l.tensors.map(typed) });
  return {
    ...spec,
    layers: spec.layers.map(layer),
    mtpLayers: spec.mtpLayers.map(layer),
    outside: spec.outside.map(typed),
    weights: { name: preset, basis: imatrix || alone ? "modelled" : "exact" },
  };
}

/** A type for each of the subject's tensors, in their order. */
function typesOf(facts: Facts): readonly GgmlType[] {
  const { defaultType } = PRESETS[facts.preset];
  const counters = { value: 0, up: 0, gate: 0, down: 0 };
  return facts.subject.tensors.map((t) => {
    if (!t.quantizable) return t.tensor.type ?? convertedType(t.tensor, facts.preset);
    return isQuantized(defaultType) ? fitting(t, mixedType(t, facts, counters)) : defaultType;
  });
}

/** What the converter writes for a tensor that is never quantized; its own 16-bit type is taken as F16 (BF16 is as long). */
function convertedType(tensor: TensorSpec, preset: PresetId): GgmlType {
  if (isAlwaysFloat32(tensor)) return "F32";
  return preset === "F32" || preset === "BF16" ? preset : "F16";
}

/** Bits of one element on average: 8 · Σ nbytes / Σ elements, as llama.cpp prints "BPW". 0 for a model without tensors. */
export function bitsPerWeight(spec: ModelSpec): number {
  let elements = 0;
  for (const { shape } of tensorsOf(spec)) elements += shape.reduce((product, n) => product * n, 1);
  return elements === 0 ? 0 : (8 * sizeWeights(spec, EXACT).total) / elements;
}

export interface PresetChoice {
  readonly name: PresetId;
  /** Σ tensor bytes. */
  readonly bytes: number;
  readonly bitsPerWeight: number;
  readonly basis: WeightsLabel["basis"];
}

/** Every preset that the model can be had in, fewest bytes first. One whose blocks do not fit the model's rows is left out. */
export function weightsChoices(spec: ModelSpec): readonly PresetChoice[] {
  const subject = subjectOf(spec);
  let elements = 0;
  for (const { row, rows } of subject.tensors) elements += row * rows;
  const choices: PresetChoice[] = [];
  for (const name of PRESET_IDS) {
    if (!fits(spec, name)) continue;
    const imatrix = PRESETS[name].needsMatrix;
    let bytes = 0;
    for (const [i, type] of typesOf({ subject, preset: name, imatrix, alone: false }).entries()) {
      const tensor = subject.tensors[i];
      if (tensor !== undefined) bytes += rowBytes(type, tensor.row) * tensor.rows;
    }
    choices.push({
      name,
      bytes,
      bitsPerWeight: elements === 0 ? 0 : (8 * bytes) / elements,
      basis: imatrix ? "modelled" : "exact",
    });
  }
  return choices.sort((a, b) => a.bytes - b.bytes);
}

/** Whether the preset can type every tensor: only a type without a shorter substitute can fail to. */
export function fits(spec: ModelSpec, preset: PresetId): boolean {
  const { defaultType } = PRESETS[preset];
  if (canShorten(defaultType)) return true;
  const { blockElements } = GGML_TYPES[defaultType];
  return subjectOf(spec).tensors.every(({ quantizable, row }) => !quantizable || row % blockElements === 0);
}
