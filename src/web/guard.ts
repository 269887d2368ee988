/**
 * Who may call: this machine's own pages and programs. Every request passes an exact Host check (a foreign name that
 * was re-bound to 127.0.0.1 is turned away) and, unless it is a plain GET of a page, an Origin check (a page of another
 * site is turned away). There are no cookies yet, so nothing else is needed to read and plan.
 */
export const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": CSP,
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=()",
};

export interface Refusal {
  readonly status: 403 | 421;
  readonly reason: string;
}

/** Names under which this server answers, with its port. */
function hosts(port: number): readonly string[] {
  return [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`];
}

/** null: let it pass. */
export function refusal(request: Request, port: number): Refusal | null {
  const allowed = hosts(port);
  const host = request.headers.get("host")?.toLowerCase() ?? "";
  if (!allowed.includes(host)) {
    return { status: 421, reason: `This server answers to 127.0.0.1:${port} and localhost:${port} only` };
  }
  const origin = request.headers.get("origin");
  if (origin !== null && origin !== `http://${host}`) {
    return { status: 403, reason: "A page of another site may not call this server" };
  }
  if (origin === null && isCrossSite(request)) {
    return { status: 403, reason: "A page of another site may not call this server" };
  }
  return null;
}

/**
 * Without an Origin header: a browser says in Sec-Fetch-Site where the request comes from; a program (curl) says nothing
 * and may call. Following a link to a page (a navigation by GET) is allowed from anywhere.
 */
function isCrossSite(request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site === null || site === "same-origin" || site === "none") return false;
  const navigates = request.method === "GET" && request.headers.get("sec-fetch-mode") === "navigate";
  const api = new URL(request.url).pathname.startsWith("/api/");
  return !navigates || api;
}
