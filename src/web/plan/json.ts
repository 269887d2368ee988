/** JSON of a request, or a sentence about it. */
import { AppError } from "../../errors.ts";

/** @throws {AppError} usage */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw noJson(text, cause);
  }
}

function noJson(text: string, cause: unknown): AppError {
  return new AppError("usage", `Cannot read a request from "${text.slice(0, 60)}": it is no JSON`, {
    hint: 'write {"model":"org/name"}',
    cause,
  });
}
