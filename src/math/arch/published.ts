/** What a repository's own weights become when they are converted for llama.cpp and not quantized any further. */
import type { PresetId } from "../parts/presets-table.ts";
import type { RawConfig } from "./family.ts";
import { isRecord, quote } from "./fields.ts";

export interface PublishedWeights {
  readonly preset: PresetId;
  /** Said where the files hold something else than the conversion will. */
  readonly warning: string | null;
}

const BY_DTYPE: ReadonlyMap<unknown, PresetId> = new Map([
  ["float32", "F32"],
  ["float16", "F16"],
  ["bfloat16", "BF16"],
]);
/** What is taken where config.json does not say; the answer says so. */
const UNSAID = "BF16";

/**
 * From config.json: its dtype, else BF16 with a warning; MXFP4 experts stay as they are; FP8 and the 4-bit formats of other engines are
 * dequantized on the way, as convert_hf_to_gguf.py does for those it knows.
 * @source llama.cpp convert_hf_to_gguf.py at v0.5.0
 */
export function publishedWeights(config: RawConfig): PublishedWeights {
  const text = isRecord(config.text_config) ? config.text_config : {};
  const quantization = config.quantization_config ?? text.quantization_config;
  const method = isRecord(quantization) ? quantization.quant_method : null;
  if (method === "mxfp4") return { preset: "MXFP4_MOE", warning: null };
  const dtype = text.torch_dtype ?? text.dtype ?? config.torch_dtype ?? config.dtype;
  const known = BY_DTYPE.get(typeof dtype === "string" ? dtype.replace(/^torch\./, "") : dtype);
  const preset = known ?? UNSAID;
  if (!isRecord(quantization)) return { preset, warning: known === undefined ? unsaid(dtype) : null };
  const name = typeof method === "string" ? quote(method, 40).slice(1, -1) : "some format";
  return {
    preset,
    warning: `The repository's own weights are quantized (${name}), which llama.cpp does not load: planned as ${preset}, what a conversion makes of them.`,
  };
}

function unsaid(dtype: unknown): string {
  const says = typeof dtype === "string" ? `names the dtype ${quote(dtype, 40)}` : "names no dtype";
  return `config.json ${says}: planned as ${UNSAID}, 16 bits a weight.`;
}
