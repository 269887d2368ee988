import { GGML_TYPES, type GgmlType, isQuantized } from "../ggml-types.ts";
import type { LayerSpec, ModelSpec, TensorSpec, WeightsLabel } from "../model.ts";
import { inFileOrder } from "./file-order.ts";
import { isAlwaysFloat32, isQuantizable } from "./presets-category.ts";
import { PRESET_IDS, PRESETS, type PresetId } from "./presets-table.ts";
import { canShorten, factsOf, fitting, mixedType } from "./presets-type.ts";
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
  const types = new Map<string, GgmlType>();
  const ordered = inFileOrder(spec);
  const { defaultType } = PRESETS[preset];
  const facts = factsOf(spec, ordered, preset, imatrix, alone);
  const counters = { value: 0, up: 0, gate: 0, down: 0 };
  for (const tensor of ordered) {
    if (!isQuantizable(tensor)) types.set(tensor.name, tensor.type ?? convertedType(tensor, preset));
    else if (!isQuantized(defaultType)) types.set(tensor.name, defaultType);
    else types.set(tensor.name, fitting(tensor, mixedType(tensor, facts, counters)));
  }
  const typed = (tensor: TensorSpec): TensorSpec => ({
    ...tensor,
    type: types.get(tensor.name) ?? tensor.type,
    at: null,
  });
  const layer = (l: LayerSpec): LayerSpec => ({ ...l, tensors: l.tensors.map(typed) });
  return {
    ...spec,
    layers: spec.layers.map(layer),
    mtpLayers: spec.mtpLayers.map(layer),
    outside: spec.outside.map(typed),
    weights: { name: preset, basis: imatrix || alone ? "modelled" : "exact" },
  };
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
  const choices: PresetChoice[] = [];
  for (const name of PRESET_IDS) {
    if (!fits(spec, name)) continue;
    const typed = assignPreset(spec, name, { imatrix: false });
    choices.push({
      name,
      bytes: sizeWeights(typed, EXACT).total,
      bitsPerWeight: bitsPerWeight(typed),
      basis: typed.weights?.basis ?? "modelled",
    });
  }
  return choices.sort((a, b) => a.bytes - b.bytes);
}

/** Whether the preset can type every tensor: only a type without a shorter substitute can fail to. */
export function fits(spec: ModelSpec, preset: PresetId): boolean {
  const { defaultType } = PRESETS[preset];
  if (canShorten(defaultType)) return true;
  const { blockElements } = GGML_TYPES[defaultType];
  return inFileOrder(spec).every((tensor) => !isQuantizable(tensor) || (tensor.shape[0] ?? 1) % blockElements === 0);
}
