import { describe, expect, test } from "bun:test";
import { CSP, refusal } from "../../src/web/guard.ts";

const PORT = 8477;
const call = (method: string, path: string, headers: Record<string, string>): number | null =>
  refusal(new Request(`http://127.0.0.1:${PORT}${path}`, { method, headers }), PORT)?.status ?? null;

describe("who may call", () => {
  const host = `127.0.0.1:${PORT}`;
  test.each([
    ["a page, typed in", "GET", "/plan", { host, "sec-fetch-site": "none", "sec-fetch-mode": "navigate" }, null],
    ["by name", "GET", "/plan", { host: `localhost:${PORT}` }, null],
    ["by name in capitals", "GET", "/plan", { host: `LOCALHOST:${PORT}` }, null],
    ["IPv6", "GET", "/plan", { host: `[::1]:${PORT}` }, null],
    ["no Host at all", "GET", "/plan", {}, 421],
    ["a name bound to this address", "GET", "/plan", { host: `evil.example:${PORT}` }, 421],
    ["another port", "GET", "/plan", { host: "127.0.0.1:80" }, 421],
    ["a longer name", "GET", "/plan", { host: `127.0.0.1:${PORT}.evil.example` }, 421],
    ["curl", "POST", "/api/plan", { host }, null],
    ["our own page", "POST", "/api/plan", { host, origin: `http://${host}` }, null],
    ["another site's page", "POST", "/api/plan", { host, origin: "https://evil.example" }, 403],
    ["our name under https", "POST", "/api/plan", { host, origin: `https://${host}` }, 403],
    ["an opaque origin", "POST", "/api/plan", { host, origin: "null" }, 403],
    [
      "a form of another site that hides its origin",
      "POST",
      "/plan/ask",
      { host, "sec-fetch-site": "cross-site" },
      403,
    ],
    [
      "a link from another site",
      "GET",
      "/plan",
      { host, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" },
      null,
    ],
    [
      "an image on another site",
      "GET",
      "/static/icon.svg",
      { host, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" },
      403,
    ],
    [
      "another port of this machine",
      "GET",
      "/plan/search",
      { host, "sec-fetch-site": "same-site", "sec-fetch-mode": "cors" },
      403,
    ],
    [
      "a link into the API",
      "GET",
      "/api/openapi.json",
      { host, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" },
      403,
    ],
  ] as const)("%s", (_, method, path, headers, want) => {
    expect(call(method, path, headers)).toBe(want);
  });
});

test("the policy allows neither inline script and style nor any other host", () => {
  expect(CSP).toContain("default-src 'none'");
  expect(CSP).not.toMatch(/unsafe|\*|https?:/);
});
