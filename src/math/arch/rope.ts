/** What rotary embeddings leave in the file: vectors of factors. Their kind is all that memory needs of them. */
import { type Fields, isRecord } from "./fields.ts";

/**
 * rope_type of `rope_parameters` (transformers 5, per layer type or flat) or `rope_scaling`, whose older spelling is
 * `type`; null when the config scales nothing.
 */
export function ropeType(fields: Fields): string | null {
  for (const key of ["rope_parameters", "rope_scaling"]) {
    const outer = fields.optionalObject(key);
    if (outer === null) continue;
    const nested = outer.full_attention;
    const object = isRecord(nested) ? nested : outer;
    const type = object.rope_type ?? object.type;
    if (typeof type === "string") return type.toLowerCase();
  }
  return null;
}
