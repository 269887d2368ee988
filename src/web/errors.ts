/** Errors as a page, a fragment or JSON: one sentence and the next step; never a stack, never the input as markup. */
import { AppError, type ErrorCode } from "../errors.ts";
import { type Html, html } from "./html.ts";
import { layout } from "./layout.ts";

const STATUS: Readonly<Record<ErrorCode, number>> = {
  usage: 422,
  not_found: 404,
  gated: 403,
  network: 502,
  rate_limited: 503,
  malformed: 422,
  unsupported: 422,
  io: 500,
  engine: 500,
  internal: 500,
};

export function statusOf(error: AppError): number {
  return STATUS[error.code];
}

/** Whatever was thrown, as something a person may read. The text of an unknown error stays inside. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError("internal", "hwLedger failed on this request", {
    hint: "the log of the program says more",
    cause: error,
  });
}

/** The same; what no one caused is told to the log, which is where its hint sends people. */
export function reported(error: unknown, report: (error: unknown) => void): AppError {
  const known = toAppError(error);
  if (known.code === "internal") report(error);
  return known;
}

export function errorBox(error: AppError): Html {
  return html`<div class="note-box err" role="alert"><h3>${error.message}</h3>${
    error.hint !== null && html`<p>${sentence(error.hint)}</p>`
  }</div>`;
}

export function errorPage(error: AppError): Html {
  return layout({
    title: "Error",
    current: null,
    here: null,
    island: null,
    main: html`<h1 class="vh">Error</h1>${errorBox(error)}<p class="after"><a href="/plan">Back to the plan</a></p>`,
  });
}

/** contract: `{"schema":"hwledger.error/1","code","message","hint"}` */
export function errorJson(error: AppError): {
  schema: "hwledger.error/1";
  code: ErrorCode;
  message: string;
  hint: string | null;
} {
  return { schema: "hwledger.error/1", code: error.code, message: error.message, hint: error.hint };
}

/** A hint is a clause without a full stop; on a page it stands alone. */
export function sentence(clause: string): string {
  const text = clause.charAt(0).toUpperCase() + clause.slice(1);
  return /[.?!]$/.test(text) ? text : `${text}.`;
}
