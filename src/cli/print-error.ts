/** An error as people and programs read it, and the exit status it stands for. */
import { AppError } from "../errors.ts";
import { EXIT } from "./command.ts";

export interface ErrorObject {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

/** Anything thrown: what is not an AppError is a fault of ours, and its trace stays inside. */
export function errorObject(error: unknown): ErrorObject {
  if (error instanceof AppError) return { code: error.code, message: oneLine(error.message), hint: error.hint };
  const reason = oneLine(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  return {
    code: "internal",
    message: `Cannot go on: hwledger has a fault (${reason})`,
    hint: "report it with the command line that shows it",
  };
}

export function errorText(error: unknown, json: boolean): string {
  const { code, message, hint } = errorObject(error);
  if (json) return `${JSON.stringify({ schema: "hwledger.error/1", code, message, hint })}\n`;
  return hint === null ? `${message}\n` : `${message}\nhint: ${hint}\n`;
}

export function exitStatus(error: unknown): number {
  return error instanceof AppError && error.code === "usage" ? EXIT.usage : EXIT.failed;
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ").trim();
}
