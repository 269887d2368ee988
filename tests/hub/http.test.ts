import { afterEach, describe, expect, test } from "bun:test";
import type { Server } from "bun";
import { createHttp, type HttpOptions } from "../../src/hub/http.ts";
import { errorIn, errorOf } from "./app-error.ts";

const servers: Server<undefined>[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

function serve(answer: (request: Request) => Response | Promise<Response>): string {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

function http(endpoint: string, change: Partial<HttpOptions> = {}) {
  const slept: number[] = [];
  const sleep = (ms: number) => {
    slept.push(ms);
    return Promise.resolve();
  };
  return { slept, http: createHttp({ endpoint, token: null, sleep, ...change }) };
}

describe("createHttp", () => {
  test("gives up on silence, once", async () => {
    let asked = 0;
    const url = serve((request) => {
      asked++;
      return new Promise((resolve) => request.signal.addEventListener("abort", () => resolve(new Response())));
    });
    const error = await errorOf(http(url, { silenceMs: 30 }).http.get(`${url}/x`));
    expect(error.code).toBe("network");
    expect(error.message).toMatch(/nothing came for 0\.03 seconds/);
    expect(asked).toBe(1);
  });

  test("stops when told to, with the caller's own reason", async () => {
    const url = serve(
      (request) => new Promise((resolve) => request.signal.addEventListener("abort", () => resolve(new Response()))),
    );
    const controller = new AbortController();
    const waiting = http(url, { signal: controller.signal }).http.get(`${url}/x`);
    controller.abort(new Error("enough"));
    expect(await waiting.catch((error: unknown) => String(error))).toMatch(/enough|abort/i);
  });

  test("waits as Retry-After says, and no longer than it makes sense", async () => {
    let asked = 0;
    const url = serve(() =>
      asked++ < 2 ? new Response("", { status: 429, headers: { "Retry-After": "3" } }) : new Response("ok"),
    );
    const { slept, http: client } = http(url);
    expect((await client.get(`${url}/x`)).status).toBe(200);
    expect(slept).toEqual([3000, 3000]);
    asked = 0;
    const always = serve(() => new Response("", { status: 429, headers: { "Retry-After": "3" } }));
    expect((await errorOf(http(always).http.get(`${always}/x`))).code).toBe("rate_limited");
  });

  test("tries a refused connection three times", async () => {
    const { slept, http: client } = http("http://127.0.0.1:9");
    expect((await errorOf(client.get("http://127.0.0.1:9/x"))).code).toBe("network");
    expect(slept).toEqual([250, 500]);
  });

  test("a token that is none is told, and not shown", async () => {
    const error = await errorOf(http("http://127.0.0.1:9", { token: "hf_se\ncret" }).http.get("http://127.0.0.1:9/x"));
    expect(error.code).toBe("usage");
    expect(error.message).toMatch(/HF_TOKEN holds is no token/);
    expect(error.message).not.toMatch(/cret/);
  });

  test("follows a mirror's redirects on its own host, not in circles", async () => {
    const url = serve(
      (request) => new Response(null, { status: 302, headers: { Location: new URL(request.url).pathname } }),
    );
    expect((await errorOf(http(url).http.get(`${url}/x`))).message).toMatch(/redirects more than 5 times/);
  });

  test("does not go where it was not sent from the hub", async () => {
    const { http: client } = http("https://hub.example");
    expect((await errorOf(client.get("http://hub.example/x"))).message).toMatch(/only https is followed/);
    const url = serve(() => new Response(null, { status: 302, headers: { Location: "file:///etc/passwd" } }));
    expect((await errorOf(http(url).http.get(`${url}/x`))).message).toMatch(/only https is followed/);
  });

  test("a connection that is cut in mid-answer is tried again, then told", async () => {
    let asked = 0;
    const listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data: (socket) => {
          asked++;
          socket.write(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-99/100\r\nContent-Length: 100\r\n\r\nhalf",
          );
          socket.end();
        },
      },
    });
    try {
      const url = `http://127.0.0.1:${listener.port}`;
      expect((await errorOf(http(url).http.range(`${url}/x`, 0, 100, 100))).code).toBe("network");
      expect(asked).toBe(3);
    } finally {
      listener.stop(true);
    }
  });

  test.each(["", "huggingface.co", "file:///models"])("takes no %p for a hub", (endpoint) => {
    expect(errorIn(() => http(endpoint)).code).toBe("usage");
  });

  test("counts what came in", async () => {
    const url = serve(() => new Response("12345"));
    const { http: client } = http(url);
    await client.get(`${url}/x`);
    await client.get(`${url}/y`);
    expect(client.received()).toEqual({ requests: 2, bytes: 10 });
  });

  test("takes a range only when it is the one that was asked", async () => {
    const url = serve(() => new Response("abc", { status: 206, headers: { "Content-Range": "bytes 5-7/100" } }));
    const { http: client } = http(url);
    expect(new TextDecoder().decode((await client.range(`${url}/x`, 5, 3, 100)).body)).toBe("abc");
    expect((await errorOf(client.range(`${url}/x`, 0, 3, 100))).message).toMatch(/gives "bytes 5-7\/100"/);
    expect((await errorOf(client.range(`${url}/x`, 5, 3, 99))).code).toBe("malformed");
  });
});
