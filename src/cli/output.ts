/**
 * Where a command writes. Synchronous: a slow reader then slows the writer down instead of filling memory, and what was
 * written is out when the process ends.
 */
import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import type { Config } from "../config.ts";
import { AppError } from "../errors.ts";

export interface Output {
  readonly write: (text: string) => void;
  /** Colours and bars are wanted. */
  readonly styled: boolean;
  readonly columns: number;
}

/** The reader went away (`| head`): nothing is wrong, and nobody is left to tell. */
export class BrokenPipe extends Error {
  override readonly name = "BrokenPipe";
}

/** What a shell reports for a writer that SIGPIPE ended. */
export const EXIT_BROKEN_PIPE = 141;

const DEFAULT_COLUMNS = 100;

export function terminalOutput(fd: 1 | 2, config: Pick<Config, "noColour" | "columns">): Output {
  const terminal = isatty(fd);
  const columns = config.columns ?? (terminal ? terminalColumns(fd) : DEFAULT_COLUMNS);
  return { write: (text) => writeAll(fd, text), styled: terminal && !config.noColour, columns };
}

function terminalColumns(fd: 1 | 2): number {
  const stream = fd === 1 ? process.stdout : process.stderr;
  return stream.columns > 0 ? stream.columns : DEFAULT_COLUMNS;
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

export function writeAll(fd: number, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : null;
      if (code === "EPIPE") throw new BrokenPipe("standard output was closed", { cause: error });
      if (code !== "EAGAIN") throw cannotWrite(code, error);
      // A pipe that does not block is full: the reader needs a moment.
      Atomics.wait(sleeper, 0, 0, 1);
    }
  }
}

function cannotWrite(code: string | null, cause: unknown): AppError {
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new AppError("io", `Cannot write the output: ${full ? "the disk is full" : `the system answers ${code}`}`, {
    hint: full ? "free some space, or write somewhere else" : null,
    cause,
  });
}
