/** The flags of `plan` → the fields of a request, as parsed values where the text reads as one; the request's own check says what is wrong with the rest. */
import { AppError } from "../errors.ts";
import { parseSize } from "../hardware/size.ts";
import { type FieldLabel, type PlanRequest, parseRequest } from "../request.ts";
import { REQUEST_FIELDS, type RequestField } from "../request-fields.ts";
import type { Invocation } from "./command.ts";

/** @throws {AppError} usage, in the words of the command line */
export function requestOfFlags({ values, positionals }: Invocation): PlanRequest {
  const [model] = positionals;
  if (model === undefined) {
    throw new AppError("usage", "Cannot plan without a MODEL", {
      hint: "write hwledger plan org/name, a .gguf file or a folder with config.json",
    });
  }
  const fields: Record<string, unknown> = { model };
  for (const field of REQUEST_FIELDS) {
    const text = values.get(field.flag);
    if (text !== undefined) fields[field.field] = readField(field, text);
  }
  return parseRequest(fields, flagLabel);
}

export const flagLabel: FieldLabel = (field) => {
  const known = REQUEST_FIELDS.find((f) => f.field === field);
  return known === undefined ? "MODEL" : `--${known.flag}`;
};

function readField({ flag, kind }: RequestField, text: string): unknown {
  switch (kind) {
    case "text":
      return text;
    case "flag":
      return text === "true";
    case "integer":
    case "number":
      return numberOr(text);
    case "layers":
      return text === "all" || text === "auto" ? text : numberOr(text);
    case "list":
      return text.split(",").map((part) => numberOr(part.trim()));
    case "size": {
      const bytes = parseSize(text);
      if (bytes !== null) return bytes;
      throw new AppError("usage", `Cannot use --${flag} "${text}": a size such as 2GiB or 500MB is wanted`, {
        hint: /^\d+$/.test(text) ? `write ${text}GiB or ${text}MiB` : "write a number and its unit",
      });
    }
    default:
      return kind satisfies never;
  }
}

/** Plain numbers only ("8k" is none): anything else stays text, and is refused by name. */
function numberOr(text: string): number | string {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
