/** Reads the quantisation out of a GGUF file's name. */

/**
 * llama-quantize's presets and the variants that are published under names of their own: `Q4_K_M`, `IQ3_XXS`, `Q6_K_L`,
 * `UD-Q4_K_XL` (dynamic types per layer), `Q4_0_4_4` (withdrawn), `TQ1_0`, `MXFP4_MOE`, `BF16`.
 */
const SUFFIX = "(?:_(?:[0-8]|K|XXS|XS|S|M|L|XL|XXL|NL|KS|KSS|KT|R4|R8|BN))*";
const QUANT = new RegExp(
  `(?<![A-Za-z0-9])(?:UD-)?(?:I?Q[1-8]${SUFFIX}|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|FP?16|FP?32)(?![A-Za-z0-9_])`,
  "gi",
);

/** The last one in the name, in upper case (`fp16` is F16); null when there is none. A folder's name is asked second. */
export function quantOfPath(path: string): string | null {
  const parts = path.split("/");
  const file = (parts.pop() ?? "").replace(/\.gguf$/i, "").replace(/-\d{5}-of-\d{5}$/, "");
  for (const text of [file, ...parts.reverse()]) {
    const found = text.match(QUANT)?.at(-1);
    if (found !== undefined) return found.toUpperCase().replace(/^FP(?=\d)/, "F");
  }
  return null;
}

/**
 * The path without part number and quantisation, in lower case: equal for the quantisations of one model. Folders count
 * (7B/m-Q8_0 is not 13B/m-Q8_0) unless they name a quantisation only.
 */
export function stemWithoutQuant(path: string): string {
  const whole = path.replace(/\.gguf$/i, "").replace(/-\d{5}-of-\d{5}$/, "");
  return whole
    .split("/")
    .map((part) =>
      part
        .replace(QUANT, "")
        .replace(/[-._]+/g, "-")
        .replace(/^-|-$/g, "")
        .toLowerCase(),
    )
    .filter((part) => part !== "")
    .join("/");
}

/** Quantisations in the order in which one is taken when none was named: good and small first, then better, then smaller. */
export const RECOMMENDED_ORDER = [
  "Q4_K_M",
  "UD-Q4_K_XL",
  "Q4_K_L",
  "Q4_K_S",
  "MXFP4",
  "MXFP4_MOE",
  "IQ4_XS",
  "IQ4_NL",
  "Q4_0",
  "Q5_K_M",
  "Q5_K_S",
  "Q6_K",
  "Q8_0",
  "Q3_K_M",
  "BF16",
  "F16",
  "F32",
] as const;
