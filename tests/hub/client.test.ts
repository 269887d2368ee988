import { describe, expect, test } from "bun:test";
import { createHubClient } from "../../src/hub/client.ts";
import type { Answer, Http } from "../../src/hub/http.ts";
import { errorOf } from "./app-error.ts";

const HUB = "https://hub.example";
const SHA = "a".repeat(40);

/** A hub that gives each URL the same kind of answer. */
function fake(answer: (url: string) => unknown, headers: Record<string, string> = {}) {
  const asked: string[] = [];
  const get = (url: string): Promise<Answer> => {
    asked.push(url);
    const body = new TextEncoder().encode(JSON.stringify(answer(url)));
    return Promise.resolve({ status: 200, headers: new Headers(headers), body });
  };
  const http: Http = { hasToken: false, get, range: get, received: () => ({ requests: 0, bytes: 0 }) };
  return { asked, client: createHubClient(HUB, http) };
}

describe("createHubClient", () => {
  test.each([
    ["empty pages", []],
    ["folders", [{ type: "directory", oid: "0", size: 0, path: "a" }]],
  ])("a listing of %s without an end is given up", async (_, page) => {
    const { client, asked } = fake(() => page, { Link: `<${HUB}/next>; rel="next"` });
    expect((await errorOf(client.files("o/n", SHA))).code).toBe("malformed");
    expect(asked.length).toBe(100);
  });

  test.each(["../x", "a//b", "a\\b", "a\u001b[2J.gguf", "a\u009b2J.gguf"])(
    "a file at %p is no answer",
    async (path) => {
      const { client } = fake(() => [{ type: "file", oid: "0", size: 1, path }]);
      expect((await errorOf(client.files("o/n", SHA))).code).toBe("malformed");
    },
  );
});
