/** What rotary embeddings leave in the file: vectors of factors. The rest of them is nothing to memory. */
import { type Fields, isRecord } from "./fields.ts";
import type { Heads } from "./heads.ts";

/** `rope_parameters` (transformers 5, per kind of layer or flat) or `rope_scaling`; null when the config has neither. */
function ropeSettings(fields: Fields): Readonly<Record<string, unknown>> | null {
  const outer = fields.optionalObject("rope_parameters") ?? fields.optionalObject("rope_scaling");
  return isRecord(outer?.full_attention) ? outer.full_attention : outer;
}

/** Llama 3's scaling: one vector with a factor for each pair of a head's elements. */
export function isLlama3Rope(fields: Fields): boolean {
  const settings = ropeSettings(fields);
  const type = settings?.rope_type ?? settings?.type;
  return typeof type === "string" && type.toLowerCase() === "llama3";
}

/** Elements of each of phi's two vectors, which the converter copies from the config; null when it has none. */
export function longRopeFactors(fields: Fields): number | null {
  const factors = ropeSettings(fields)?.long_factor;
  return Array.isArray(factors) && factors.length > 0 ? factors.length : null;
}

/** The head's part of llama 3's scaling, for families that have nothing else of the kind. */
export function llama3Freqs(fields: Fields, { headDimK }: Heads): { readonly ropeFreqs: number | null } {
  return { ropeFreqs: isLlama3Rope(fields) ? Math.ceil(headDimK / 2) : null };
}
