/** Weights as llama.cpp has them: the types of a GGUF, or what llama-quantize makes of a model. */
import { type ModelSpec, UNNAMED_WEIGHTS } from "./model.ts";
import { assignPreset, weightsChoices } from "./parts/presets.ts";
import { asFile } from "./parts/presets-recognise.ts";
import { FOR_TRAINED_SO, isPresetId, PRESET_IDS, type PresetId } from "./parts/presets-table.ts";
import { EXACT, sizeWeights } from "./parts/weights.ts";
import { checkTyped } from "./parts/weights-check.ts";
import type { WeightsChoice } from "./plan-input.ts";
import type { RuntimeWeights, TypedModel, WeightsSubject } from "./runtime/runtime.ts";

/** What a config's weights are taken as when nothing is said: the conversion without quantisation. */
const UNQUANTIZED = "BF16";

/** By model, then by what its weights are: the file's own, or one of the presets. */
const typed = new WeakMap<ModelSpec, Map<PresetId | typeof AS_FILE, TypedModel>>();
const AS_FILE = "file";

/**
 * Gives every tensor its type: as the file has it, or as llama-quantize would make it from a preset's name. Kept per
 * model and preset, never per name as written: the pricing behind it is kept per typed model.
 */
export function typeWeights(spec: ModelSpec, name: string | null, choices: readonly WeightsChoice[]): TypedModel {
  const file = spec.tensorSource === "file" ? kept(spec, AS_FILE) : null;
  if (file !== null && (name === null || name.toUpperCase() === labelOf(file))) return file;
  const preset = (name ?? UNQUANTIZED).toUpperCase();
  return isPresetId(preset) ? kept(spec, preset) : notAPreset(name ?? UNQUANTIZED, choices);
}

function labelOf(model: TypedModel): string | null {
  return model.status === "ok" ? (model.spec.weights?.name.toUpperCase() ?? null) : null;
}

function kept(spec: ModelSpec, what: PresetId | typeof AS_FILE): TypedModel {
  let ofSpec = typed.get(spec);
  if (ofSpec === undefined) {
    ofSpec = new Map();
    typed.set(spec, ofSpec);
  }
  let answer = ofSpec.get(what);
  if (answer === undefined) {
    answer = what === AS_FILE ? checked(named(spec)) : quantized(spec, what);
    ofSpec.set(what, answer);
  }
  return answer;
}

/** By the name that came with the file, else by what its types are. */
function named(spec: ModelSpec): ModelSpec {
  return spec.weights === null || spec.weights.name === UNNAMED_WEIGHTS ? asFile(spec) : spec;
}

function notAPreset(name: string, choices: readonly WeightsChoice[]): TypedModel {
  if (choices.some((choice) => choice.name.toUpperCase() === name.toUpperCase())) {
    return {
      status: "error",
      message: `Cannot price weights "${name}" without their file's header: they are no preset of llama.cpp's`,
      hint: `name them with the model, as org/name:${name}`,
    };
  }
  const known = choices.length > 0 ? choices.map((choice) => choice.name) : PRESET_IDS;
  return {
    status: "error",
    message: `Cannot plan with weights "${name}": llama.cpp knows no such type`,
    hint: `take one of ${known.slice(0, 12).join(", ")}${known.length > 12 ? " …" : ""}`,
  };
}

function quantized(spec: ModelSpec, preset: PresetId): TypedModel {
  try {
    return checked(assignPreset(spec, preset, { imatrix: false }));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return {
      status: "error",
      message: `Cannot plan with weights "${preset}": ${error.message}`,
      hint: "take Q8_0 or F16",
    };
  }
}

function checked(spec: ModelSpec): TypedModel {
  const check = checkTyped(spec);
  return check.status === "ok" ? { status: "ok", spec } : check;
}

const presetLists = new WeakMap<ModelSpec, readonly WeightsChoice[]>();

/** The presets a model can be had in, smallest first. */
export function presetsOf(spec: ModelSpec): readonly WeightsChoice[] {
  let list = presetLists.get(spec);
  if (list === undefined) {
    list = weightsChoices(spec);
    presetLists.set(spec, list);
  }
  return list;
}

const offers = new WeakMap<ModelSpec, readonly WeightsChoice[]>();

/** A repository's files, else the presets that make sense of a finished model. */
function offered(spec: ModelSpec, { choices }: WeightsSubject): readonly WeightsChoice[] {
  if (choices.length > 0) return choices;
  let list = offers.get(spec);
  if (list === undefined) {
    list = presetsOf(spec).filter(({ name }) => !FOR_TRAINED_SO.has(name));
    offers.set(spec, list);
  }
  return list;
}

/** Presets of llama-quantize, and the types that a GGUF has. */
export const PRESET_WEIGHTS: RuntimeWeights = {
  typeWeights: (spec, name, { published, choices }) => typeWeights(spec, name ?? published ?? null, choices),
  weightsChoices: offered,
  weightsBytes: (model) => sizeWeights(model, EXACT).total,
  weightsWarnings: ({ publishedWarning }) => (publishedWarning == null ? [] : [publishedWarning]),
};
