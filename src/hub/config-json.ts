/** config.json, parsed once at this door; what its fields mean is the architecture's business (math/arch). */
import { z } from "zod";
import { AppError } from "../errors.ts";
import type { RawConfig } from "../math/arch/family.ts";

const OBJECT = z.record(z.string(), z.unknown());

/** @throws {AppError} malformed */
export function parseConfigJson(text: string, name: string): RawConfig {
  let value: unknown;
  try {
    value = parseLenient(text);
  } catch (cause) {
    throw broken(name, cause);
  }
  const result = OBJECT.safeParse(value);
  if (result.success) return result.data;
  throw broken(name, result.error);
}

/** Python's json also writes Infinity and NaN, which JSON has not: they are read as null, "not said". */
function parseLenient(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(text.replace(/([:[,]\s*)-?(?:Infinity|NaN)(?=\s*[,}\]])/g, "$1null"));
  }
}

function broken(name: string, cause: unknown): AppError {
  return new AppError("malformed", `Cannot read "${name}": it is no JSON object`, {
    hint: "get the file again",
    cause,
  });
}
