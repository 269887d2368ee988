/** Weights by the names that mistral.rs takes them under: a GGUF's own types and llama-quantize's, else formats, ISQ among them. */
import { formatWeights } from "../../format-choice.ts";
import { parseFormat } from "../../parts/formats/index.ts";
import { isPresetId } from "../../parts/presets-table.ts";
import { PRESET_WEIGHTS } from "../../weights-choice.ts";
import type { RuntimeWeights } from "../runtime.ts";
import { residentFormat } from "./resident.ts";

const LOADED: ReadonlySet<string> = new Set([
  "plain",
  "fp8",
  "fp8-block",
  "gptq",
  "awq",
  "bitsandbytes",
  "mxfp4",
  "isq",
  "hqq",
]);

/** @source mistral.rs v0.9.2 mistralrs-core/src/pipeline/isq.rs parse_isq_value, mistralrs-quant/src/lib.rs QuantizedConfig */
const FORMATS = formatWeights({
  engine: "mistral.rs",
  offered: [
    "bf16",
    "fp8",
    "isq-q8_0",
    "isq-q6k",
    "isq-q5k",
    "isq-q4k",
    "isq-q3k",
    "isq-q2k",
    "isq-afq8",
    "isq-afq4",
    "gptq-4bit-g128",
    "awq-4bit-g128",
    "bnb-nf4",
    "mxfp4",
  ],
  loads: ({ method }) => LOADED.has(method),
});

export const MISTRAL_WEIGHTS: RuntimeWeights = {
  readsSafetensors: true,
  typeWeights(spec, name, subject) {
    const gguf = spec.tensorSource === "file" && spec.modelType === null;
    if (name === null) return (gguf ? PRESET_WEIGHTS : FORMATS).typeWeights(spec, null, subject);
    const preset = isPresetId(name.toUpperCase());
    const format = parseFormat(name) ?? (preset ? null : parseFormat(`isq-${name}`));
    // BF16 and its like are both: of a GGUF they are the file's.
    if (format !== null && !(gguf && preset)) return FORMATS.typeWeights(spec, format.id, subject);
    return (preset || gguf ? PRESET_WEIGHTS : FORMATS).typeWeights(spec, name, subject);
  },
  weightsChoices: (spec, subject) =>
    (spec.modelType === null || subject.choices.length > 0 ? PRESET_WEIGHTS : FORMATS).weightsChoices(spec, subject),
  weightsBytes: (model) => (residentFormat(model) === null ? PRESET_WEIGHTS : FORMATS).weightsBytes(model),
  // What stands aside in the files, towers, is counted.
  weightsWarnings: () => [],
};
