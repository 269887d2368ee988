/**
 * The metadata that llama.cpp's converter would write for a config.json, so that models without a published dump can be put
 * to llama.cpp as well. Made from the config alone, by the converter's own rules: what arch/ makes of the same config plays
 * no part in it, so a field that arch/ reads wrongly shows as a difference.
 * @source llama.cpp conversion/base.py TextModel.set_gguf_parameters, and the file of each architecture@v0.5.0
 */
import type { GgufHeader, MetadataValue, RawConfig } from "../../src/math/arch/family.ts";
import { baseWritten, type Conversions, first, isObject } from "./conversion.ts";
import { DENSE } from "./conversions-dense.ts";
import { RECURRENT } from "./conversions-recurrent.ts";
import { SPARSE } from "./conversions-sparse.ts";

/** By llama.cpp's architecture. */
const CONVERSIONS: Conversions = { ...DENSE, ...SPARSE, ...RECURRENT };

/** Keys that stand without the architecture's name. */
const UNPREFIXED = /^(tokenizer|xielu)\./;

/** null: no conversion of this architecture is written down here yet. */
export function convertedHeader(architecture: string, published: RawConfig): GgufHeader | null {
  const conversion = CONVERSIONS[architecture];
  if (conversion === undefined) return null;
  const config = withText(published);
  const base = baseWritten(config);
  const metadata = new Map<string, MetadataValue>([["general.architecture", architecture]]);
  for (const [key, value] of Object.entries({ ...base, ...conversion.write(config, base) })) {
    if (value !== null) metadata.set(UNPREFIXED.test(key) ? key : `${architecture}.${key}`, value);
  }
  const vocabulary = conversion.vocabulary?.(config) ?? Number(first(config, "vocab_size", "padded_vocab_size"));
  return { architecture, metadata, arrayLengths: new Map([["tokenizer.ggml.tokens", vocabulary]]), tensors: [] };
}

/** The text model's fields before those of a wrapper around it. */
function withText(config: RawConfig): RawConfig {
  const text = config.language_config ?? config.text_config;
  return isObject(text) ? { ...config, ...text } : config;
}
