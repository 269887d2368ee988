/**
 * The one error a person is meant to read: what was tried, on what, what is, what should be, and what to do next.
 * Everything else that is thrown is a bug or broken IO and is turned into one of these at the door (cli, web).
 */
export const ERROR_CODES = [
  "usage", // wrong options or fields
  "not_found", // no such file, repository, device
  "gated", // the hub wants a token or an accepted licence
  "network", // the hub cannot be reached, or cuts off
  "rate_limited", // the hub says 429
  "malformed", // a file or answer is broken
  "unsupported", // we know what it is, and cannot do it
  "io", // disk full, no permission
  "engine", // an engine failed
  "internal", // a bug of ours
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

export class AppError extends Error {
  override readonly name: string = "AppError";
  readonly code: ErrorCode;
  /** The next step, as one sentence without a full stop; null when there is none. */
  readonly hint: string | null;

  constructor(code: ErrorCode, message: string, options: { hint?: string | null; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? null;
  }
}
