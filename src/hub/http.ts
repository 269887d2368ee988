/**
 * The only place that speaks to the network for models: GET, to the hub and where it redirects, with a deadline on every
 * silence, a bound on every answer, and the token only to the hub's own origin.
 */
import { AppError } from "../errors.ts";
import { isToken } from "./hub-config.ts";

/** Silence (no header, no further byte) after which a request is given up. */
const SILENCE_MS = 10_000;
const MAX_REDIRECTS = 5;
/** Tries after the first, for a lost connection, 429 and 502-504. */
const RETRIES = 2;
/** A longer Retry-After is told to the person instead of waited for. */
const MAX_WAIT_MS = 15_000;
/** The longest answer that is no range: a tree's page, config.json, an index of 10,000 shards. */
export const MAX_ANSWER_BYTES = 64 * 2 ** 20;

export interface HttpOptions {
  readonly endpoint: string;
  readonly token: string | null;
  readonly signal?: AbortSignal;
  readonly silenceMs?: number;
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface Http {
  /** Whether a token goes with requests to the hub. */
  readonly hasToken: boolean;
  /** Any status but 429 is an answer. Throws AppError network, rate_limited. */
  readonly get: (url: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>;
  /**
   * Bytes [offset, offset + length) of a file that is `size` long; another status than 206 says why there are none.
   * Never takes more than was asked: an answer with the whole file is cut off and refused.
   */
  readonly range: (url: string, offset: number, length: number, size: number) => Promise<Answer>;
  /** Of all answers so far. */
  readonly received: () => { readonly requests: number; readonly bytes: number };
}

export function createHttp(options: HttpOptions): Http {
  const hub = endpointUrl(options.endpoint);
  const silenceMs = options.silenceMs ?? SILENCE_MS;
  const sleep = options.sleep ?? wait;
  let requests = 0;
  let bytes = 0;

  async function attempt(start: string, headers: Readonly<Record<string, string>>, limit: Limit): Promise<Answer> {
    let url = checkedUrl(hub, start);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      requests++;
      const watch = new AbortController();
      let timer = setTimeout(() => watch.abort(), silenceMs);
      const heard = () => {
        clearTimeout(timer);
        timer = setTimeout(() => watch.abort(), silenceMs);
      };
      const signal = options.signal === undefined ? watch.signal : AbortSignal.any([watch.signal, options.signal]);
      try {
        const authorization = url.origin === hub.origin ? bearer(options.token) : undefined;
        const response = await fetch(url, {
          headers: { ...headers, ...authorization },
          redirect: "manual",
          signal,
        });
        heard();
        const location = response.headers.get("Location");
        if (response.status >= 300 && response.status < 400 && location !== null) {
          await response.body?.cancel();
          url = checkedUrl(hub, new URL(location, url).href);
          continue;
        }
        const body = await readBody(response, start, limit(response), heard, (n) => {
          bytes += n;
        });
        return { status: response.status, headers: response.headers, body };
      } catch (cause) {
        throw options.signal?.aborted === true || cause instanceof AppError
          ? cause
          : unreachable(url, watch.signal.aborted, silenceMs, cause);
      } finally {
        clearTimeout(timer);
      }
    }
    throw new AppError("network", `Cannot get "${start}": it redirects more than ${MAX_REDIRECTS} times`);
  }

  async function withRetries(
    start: string,
    headers: Readonly<Record<string, string>>,
    limit: Limit,
    check: (answer: Answer) => void = () => undefined,
  ): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      let pause = 250 * 2 ** tries;
      try {
        const answer = await attempt(start, headers, limit);
        if (answer.status === 429) {
          pause = retryAfterMs(answer.headers) ?? 1000;
          if (tries === RETRIES || pause > MAX_WAIT_MS) throw rateLimited(hub, pause, options.token !== null);
        } else if (![502, 503, 504].includes(answer.status) || tries === RETRIES) {
          check(answer);
          return answer;
        }
      } catch (error) {
        if (!(error instanceof LostConnection) || tries === RETRIES) throw error;
      }
      await sleep(pause, options.signal);
    }
  }

  return {
    hasToken: options.token !== null,
    get: (url, headers = {}) => withRetries(url, headers, () => MAX_ANSWER_BYTES),
    range: (url, offset, length, size) => {
      const last = offset + length - 1;
      // Without identity a proxy could compress, and the bytes would be another's.
      const headers = { Range: `bytes=${offset}-${last}`, "Accept-Encoding": "identity" };
      return withRetries(
        url,
        headers,
        (response) => rangeLimit(url, response, length),
        (answer) => {
          if (answer.status === 206) checkRange(url, answer, { offset, last, size });
        },
      );
    },
    received: () => ({ requests, bytes }),
  };
}

/** @throws {AppError} usage */
function endpointUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol === "https:" || url?.protocol === "http:") return url;
  throw new AppError("usage", `Cannot take "${text}" as the hub: HF_ENDPOINT wants an http or https address`, {
    hint: "unset HF_ENDPOINT, or give https://huggingface.co",
  });
}

/**
 * Looked at before it is sent: a refused header would read as a lost connection.
 * @throws {AppError} usage
 */
function bearer(token: string | null): { readonly Authorization: string } | undefined {
  if (token === null) return undefined;
  if (isToken(token)) return { Authorization: `Bearer ${token}` };
  throw new AppError("usage", "Cannot ask the hub: what HF_TOKEN holds is no token", {
    hint: "set HF_TOKEN to the one line that the hub shows, or unset it",
  });
}

type Limit = (response: Response) => number;

/** A failure that a second try may mend. */
class LostConnection extends AppError {}

/** The hub's own origin, or https, or (for a plain-http mirror) the same host. */
function checkedUrl(hub: URL, text: string): URL {
  const url = new URL(text);
  if (url.origin === hub.origin || url.protocol === "https:") return url;
  if (hub.protocol === "http:" && url.protocol === "http:" && url.hostname === hub.hostname) return url;
  throw new AppError(
    "network",
    `Cannot follow "${hub.origin}" to "${url.origin}": only https is followed from the hub`,
  );
}

/** @param url  as it was asked for: the one that a redirect led to may carry a signature, which no message shows */
async function readBody(
  response: Response,
  url: string,
  limit: number,
  heard: () => void,
  count: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  if (response.body === null) return new Uint8Array(0);
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  while (true) {
    const { done, value } = await reader.read();
    if (done) break;
    heard();
    count(value.length);
    length += value.length;
    if (length > limit) {
      await reader.cancel();
      throw new AppError("network", `Cannot take the answer of "${url}": it is longer than ${limit} bytes`);
    }
    pieces.push(value);
  }
  const said = response.headers.get("Content-Length");
  if (said !== null && response.headers.get("Content-Encoding") === null && Number(said) > length) {
    throw ended(url, length);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.length;
  }
  return body;
}

function rangeLimit(url: string, response: Response, length: number): number {
  if (response.status === 206) return length;
  if (response.status !== 200) return 2 ** 20; // an error's text
  void response.body?.cancel();
  throw new AppError("network", `Cannot read a part of "${url}": the server answers with the whole file`, {
    hint: "the mirror in HF_ENDPOINT must honour Range requests",
  });
}

function checkRange(
  url: string,
  { headers, body }: Answer,
  want: { offset: number; last: number; size: number },
): void {
  const said = headers.get("Content-Range") ?? "";
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(said);
  if (match === null || Number(match[1]) !== want.offset || Number(match[2]) !== want.last) {
    throw new AppError(
      "network",
      `Cannot read bytes ${want.offset}-${want.last} of "${url}": the server gives "${said}"`,
    );
  }
  if (Number(match[3]) !== want.size) {
    throw new AppError(
      "malformed",
      `Cannot read "${url}": the hub's list says ${want.size} bytes, and its server ${String(match[3])}`,
      { hint: "try again later, or give another file" },
    );
  }
  if (body.length !== want.last - want.offset + 1) {
    throw ended(url, body.length);
  }
}

function ended(url: string, bytes: number): AppError {
  return new LostConnection("network", `Cannot read "${url}": the connection ended after ${bytes} bytes`, {
    hint: "check the connection, then try again",
  });
}

function unreachable(url: URL, silent: boolean, silenceMs: number, cause: unknown): AppError {
  const why = silent ? `nothing came for ${silenceMs / 1000} seconds` : reasonOf(cause);
  // A silence has been waited for long enough; everything else is worth another try.
  const Kind = silent ? AppError : LostConnection;
  return new Kind("network", `Cannot reach "${url.origin}": ${why}`, {
    hint: "check the connection; what was read before works with HWLEDGER_OFFLINE=1",
    cause,
  });
}

function reasonOf(cause: unknown): string {
  const code = (cause as { code?: unknown }).code;
  if (typeof code === "string") return code;
  return cause instanceof Error ? cause.message : String(cause);
}

/** Seconds or a date (RFC 9110, 10.2.3); null when absent or unreadable. A date counts from the answer's own Date. */
function retryAfterMs(headers: Headers): number | null {
  const text = headers.get("Retry-After")?.trim() ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const until = Date.parse(text) - Date.parse(headers.get("Date") ?? "");
  return Number.isFinite(until) ? Math.max(0, until) : null;
}

function rateLimited(hub: URL, waitMs: number, hasToken: boolean): AppError {
  const seconds = Math.ceil(waitMs / 1000);
  return new AppError("rate_limited", `Cannot ask "${hub.origin}" now: it wants a pause of ${seconds} seconds`, {
    hint: hasToken ? "try again later" : "try again later, or set HF_TOKEN: the hub lets known users ask more",
  });
}

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted === true) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
