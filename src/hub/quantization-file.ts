/** Quantisation that a repository describes beside its config.json, as tools did before it had a place in there. */
import type { RawConfig } from "../math/arch/family.ts";
import { parseConfigJson } from "./config-json.ts";

/** Name of the file → quant_method of what it describes. */
const FILES: readonly (readonly [file: string, method: string])[] = [
  ["hf_quant_config.json", "modelopt"],
  ["quantize_config.json", "gptq"],
  ["quant_config.json", "awq"],
];

/**
 * config.json with the quantisation in its place.
 * @param text  reads a file of the repository
 * @throws {AppError} malformed, and as `text`
 */
export async function withQuantizationFile(
  config: RawConfig,
  has: (file: string) => boolean,
  text: (file: string) => Promise<string>,
): Promise<RawConfig> {
  const inner = config.text_config;
  const said = [config.quantization_config, config.quantization];
  if (typeof inner === "object" && inner !== null && "quantization_config" in inner)
    said.push(inner.quantization_config);
  if (said.some((block) => block != null)) return config;
  for (const [file, quant_method] of FILES) {
    if (!has(file)) continue;
    const block = parseConfigJson(await text(file), file);
    return { ...config, quantization_config: { quant_method, ...block } };
  }
  return config;
}
