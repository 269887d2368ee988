import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../src/config.ts";
import { ENGINES } from "../../src/math/options.ts";
import { RUNTIMES } from "../../src/math/runtime/index.ts";
import { ASSET_ROOT, bind, createApp, planDeps } from "../../src/server.ts";
import { listenOn, loopback, urlOf, writeRuntime } from "../../src/web/listen.ts";
import { LLAMA_GGUF, readyModels, TINY_LLAMA, textFile } from "../fakes/hub-models.ts";
import { type FakeHub, startHub } from "../fakes/hub-server.ts";

const HOST = "127.0.0.1:8477";
const home = mkdtempSync(join(tmpdir(), "hwledger-server-"));
const reported: unknown[] = [];
let hub: FakeHub;
let app: ReturnType<typeof createApp>;

beforeAll(async () => {
  hub = await startHub([...readyModels(), { id: "acme/gated", files: [textFile("config.json", "{}")], mood: "gated" }]);
  const config = readConfig({ HWLEDGER_HOME: home, HOME: home, HF_ENDPOINT: hub.url, HF_HOME: join(home, "hf") });
  app = createApp({
    plan: planDeps(config),
    version: "1.2.3",
    port: () => 8477,
    assetRoot: ASSET_ROOT,
    report: (e) => reported.push(e),
  });
  await app.modules;
});

afterAll(async () => {
  await hub.stop();
  rmSync(home, { recursive: true, force: true });
});

interface Call {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

async function call(path: string, { method = "GET", headers = {}, body }: Call = {}) {
  const init = { method, headers: { host: HOST, ...headers }, ...(body === undefined ? {} : { body }) };
  const response = await app.handle(new Request(`http://${HOST}${path}`, init));
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const MODEL = `model=${LLAMA_GGUF}:Q4_K_M&device=rtx-4060`;
const words = (markup: string): string =>
  markup
    .replace(/<script[\s\S]*?<\/script>/g, "")
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ");

describe("who is answered", () => {
  test.each([
    ["a foreign Host", "/plan", { headers: { host: "evil.example" } }, 421],
    ["a foreign Origin", "/api/plan", { method: "POST", headers: { origin: "https://evil.example" }, body: "{}" }, 403],
    ["a foreign Host for a file", "/static/icon.svg", { headers: { host: "evil.example" } }, 421],
    [
      "a foreign script tag",
      "/static/build/app.css",
      { headers: { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" } },
      403,
    ],
  ] as const)("not %s", async (_, path, options, status) => {
    const answer = await call(path, options);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  test("every answer carries the policy: page, file, fragment, API, error", async () => {
    for (const path of ["/plan", "/static/icon.svg", "/plan/search?model=x", "/api/openapi.json", "/nowhere"]) {
      const { headers } = await call(path);
      expect(headers.get("content-security-policy")).toContain("script-src 'self'");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
    }
  });
});

describe("pages", () => {
  test("/ leads to /plan", async () => {
    const { status, headers } = await call("/");
    expect([status, headers.get("location")]).toEqual([302, "/plan"]);
  });

  test("the first visit asks for a model and links only pages that exist", async () => {
    const { status, text } = await call("/plan");
    expect(status).toBe(200);
    expect(text).toContain("Which model?");
    expect(text).toContain('href="/plan?model=example:gpt-oss-20b"');
    const links = [...text.matchAll(/href="(\/[^"?]*)/g)].map((match) => match[1] ?? "");
    for (const link of new Set(links)) expect((await call(link)).status).toBe(200);
  });

  test("a plan is whole without script: its numbers are the API's own", async () => {
    const page = await call(`/plan?${MODEL}&context=4096`);
    expect(page.status).toBe(200);
    const api = await call("/api/plan", {
      method: "POST",
      body: JSON.stringify({ model: `${LLAMA_GGUF}:Q4_K_M`, device: "rtx-4060", context: 4096 }),
    });
    const result = JSON.parse(api.text) as {
      status: string;
      limits: { max_context: number };
      command: string;
      memory: { by_device: { total_bytes: number }[] };
    };
    expect(result.status).toBe("fits");
    const text = words(page.text);
    expect(text).toContain("Fits");
    expect(text).toContain(`most that fits ${result.limits.max_context.toLocaleString("en-US")}`);
    expect(text).toContain(result.command);
    const gib = ((result.memory.by_device[0]?.total_bytes ?? 0) / 2 ** 30).toFixed(1);
    expect(text).toContain(`${gib} of `);
  });

  test("a field that is wrong is marked, what was entered stays", async () => {
    const { status, text } = await call(`/plan?${MODEL}&context=abc&sequences=0`);
    expect(status).toBe(422);
    expect(text).toContain('name="context" value="abc"');
    expect(text).toContain('aria-invalid="true"');
    expect(text).toContain('<p class="fielderr" id="e-context">An integer from 1 to 134217728 is wanted.</p>');
    expect(text).toContain('<p class="fielderr" id="e-sequences">An integer from 1 to 4096 is wanted.</p>');
  });

  test.each([
    ["an unknown device", "model=example:gpt-oss-20b&device=rtx-4091", 422, "rtx-4090"],
    ["a repository that is not there", "model=acme/nowhere", 404, "acme/nowhere"],
    ["a gated repository", "model=acme/gated", 403, "HF_TOKEN"],
    ["a file that is not there", "model=./nowhere.gguf", 404, "nowhere.gguf"],
    ["weights nobody knows", `${MODEL}&weights=Q4_ZED`, 422, "Q4_ZED"],
    ["what llama.cpp refuses", `${MODEL}&kv_type=q8_0&flash_attention=off`, 422, "flash attention"],
  ])("%s: a sentence, a status, the form kept", async (_, query, status, said) => {
    const answer = await call(`/plan?${query}`);
    expect(answer.status).toBe(status);
    expect(words(answer.text)).toContain(said);
    expect(answer.text).toContain('id="plan-form"');
  });

  test("text of others never becomes markup", async () => {
    const evil = `"><img src=x onerror=alert(1)>`;
    for (const field of ["model", "device", "weights", "kv_type", "override_tensor"]) {
      const query = new URLSearchParams({ model: "example:gpt-oss-20b", [field]: evil });
      const { text } = await call(`/plan?${query}`);
      expect(text).not.toContain("<img");
    }
    expect((await call(`/${encodeURIComponent(evil)}`)).text).not.toContain("<img");
  });

  test("htmx gets the same parts without the page around them", async () => {
    const whole = await call(`/plan?${MODEL}`);
    const part = await call(`/plan?${MODEL}`, { headers: { "hx-request": "true" } });
    expect(part.headers.get("vary")).toBe("HX-Request");
    expect(part.text.startsWith("<h1")).toBe(true);
    expect(whole.text).toContain(part.text);
  });

  test("a page that is not there", async () => {
    const { status, text } = await call("/recommend");
    expect(status).toBe(404);
    expect(words(text)).toContain("There is no page &quot;/recommend&quot;");
    expect(reported).toEqual([]);
  });
});

describe("search", () => {
  test("asks the hub, and is a page of its own without htmx", async () => {
    const part = await call("/plan/search?model=llama&device=rtx-4090", { headers: { "hx-request": "true" } });
    expect(part.text).toContain(TINY_LLAMA);
    expect(part.text).toContain("device=rtx-4090");
    const page = await call("/plan/search?model=llama");
    expect(page.text).toContain("<!doctype html>");
    expect(page.text).toContain(TINY_LLAMA);
  });

  test("a path and two letters are not asked about", async () => {
    const before = hub.requests.length;
    await call("/plan/search?model=./x.gguf");
    await call("/plan/search?model=ll");
    expect(hub.requests.length).toBe(before);
  });
});

describe("API", () => {
  test.each([
    ["no JSON", "{", 422, "no JSON"],
    ["no model", "{}", 422, "model"],
    ["a field too many", '{"model":"a/b","contxt":1}', 422, "contxt"],
    ["a model that is not there", '{"model":"acme/nowhere"}', 404, "acme/nowhere"],
  ])("%s", async (_, body, status, said) => {
    const answer = await call("/api/plan", { method: "POST", body });
    expect(answer.status).toBe(status);
    const error = JSON.parse(answer.text) as Record<string, unknown>;
    expect(error).toMatchObject({ schema: "hwledger.error/1" });
    expect(String(error.message)).toContain(said);
  });

  test("a body larger than any request is refused", async () => {
    const { status } = await call("/api/plan", { method: "POST", body: `{"model":"${"x".repeat(300_000)}"}` });
    expect(status).toBe(422);
  });

  test("lines in, lines out, in order; a bad one does not stop the rest", async () => {
    const lines = [
      `{"model":"${LLAMA_GGUF}:Q8_0","device":"24GiB"}`,
      "nonsense",
      "",
      '{"model":"example:gpt-oss-20b","device":"8GiB","gpu_layers":"all"}',
    ];
    const { text } = await call("/api/plan/batch", { method: "POST", body: lines.join("\n") });
    const answers = text
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { status: string }).status);
    expect(answers).toEqual(["fits", "error", "does_not_fit"]);
  });

  test("openapi.json describes every field of a request", async () => {
    const api = JSON.parse((await call("/api/openapi.json")).text) as {
      info: { version: string };
      paths: object;
      components: {
        schemas: { PlanRequest: { properties: Record<string, { description?: string }>; required: string[] } };
      };
    };
    expect(api.info.version).toBe("1.2.3");
    expect(Object.keys(api.paths)).toEqual(["/api/plan", "/api/compare", "/api/plan/batch"]);
    expect(api.components.schemas.PlanRequest.required).toEqual(["model"]);
    expect(api.components.schemas.PlanRequest.properties.context?.description).toContain("tokens");
  });
});

describe("engines on the Plan page", () => {
  test("all can be chosen; one's page has its own settings alone", async () => {
    const { status, text } = await call(`/plan?model=${TINY_LLAMA}&engine=vllm&device=rtx-4090&weights=bf16`);
    expect(status).toBe(200);
    expect(text.match(/<option value="[^"]*" selected>vllm/)).not.toBeNull();
    for (const engine of ENGINES) expect(text).toContain(`<option value="${engine}"`);
    expect(text).not.toContain('id="set-gpu_layers"');
    expect(text).not.toContain('name="split_mode"');
    expect(text).not.toContain("Ask llama.cpp itself");
    expect(text).toContain('value="fp8"');
    const own = (await call(`/plan?${MODEL}`)).text;
    expect(own).toContain('name="split_mode"');
    expect(own).toContain("Ask llama.cpp itself");
  });

  test.each([...ENGINES])("%s: the cache types that are offered are planned", async (engine) => {
    const weights = engine === "exllamav3" ? "exl3-4.0bpw" : "bf16";
    for (const kv_type of RUNTIMES[engine].kvOffered) {
      const body = JSON.stringify({ model: TINY_LLAMA, engine, device: "rtx-4090", weights, kv_type });
      const { text } = await call("/api/plan", { method: "POST", body });
      expect({ kv_type, text: JSON.parse(text).message ?? null }).toEqual({ kv_type, text: null });
    }
  });
});

describe("comparing", () => {
  test("the page has a row for each engine and device, and says what is wrong with a field", async () => {
    const { status, text } = await call(`/compare?model=${LLAMA_GGUF}:Q4_K_M&device=rtx-4060,24GiB`);
    expect(status).toBe(200);
    expect(words(text)).toContain("Why they differ");
    expect(text.match(/<tr>/g)?.length).toBeGreaterThan(2);
    const wrong = await call(`/compare?model=${LLAMA_GGUF}&context=many`);
    expect([wrong.status, words(wrong.text).includes("An integer from 1 to")]).toEqual([422, true]);
    const unknown = await call("/compare?model=a/b&device=no-such-card");
    expect([unknown.status, words(unknown.text).includes("no-such-card")]).toEqual([422, true]);
    expect((await call("/compare")).status).toBe(200);
  });

  test("POST /api/compare answers with ranked rows, or with one sentence", async () => {
    const body = JSON.stringify({ model: `${LLAMA_GGUF}:Q4_K_M`, device: "24GiB" });
    const answer = JSON.parse((await call("/api/compare", { method: "POST", body })).text);
    expect(answer.schema).toBe("hwledger.compare/1");
    expect(answer.rows.map((row: { engine: { id: string } }) => row.engine.id).toSorted()).toEqual(
      [...ENGINES].toSorted(),
    );
    const wrong = await call("/api/compare", { method: "POST", body: "{}" });
    expect([wrong.status, JSON.parse(wrong.text).schema]).toEqual([422, "hwledger.error/1"]);
  });
});

test("a fault of ours is in the log, whichever door it came through, and its words are on no page", async () => {
  const fault = new TypeError("secret");
  const log: unknown[] = [];
  const broken = async () => {
    throw fault;
  };
  const config = readConfig({ HWLEDGER_HOME: home, HOME: home, HWLEDGER_OFFLINE: "1" });
  const plan = { ...planDeps(config), open: broken, ask: broken };
  const faulty = createApp({ plan, version: "", port: () => 8477, assetRoot: ASSET_ROOT, report: (e) => log.push(e) });
  await faulty.modules;
  const doors = [
    ["/api/plan", '{"model":"a/b"}'],
    ["/api/plan", '{"model":"a/b","ask_engine":true}'],
    ["/api/plan/batch", '{"model":"a/b"}'],
    ["/plan/ask", "model=a/b"],
    ["/plan?model=a/b&device=rtx-4060", null],
  ] as const;
  for (const [path, body] of doors) {
    const headers = { host: HOST, "hx-request": "true" };
    const request = new Request(
      `http://${HOST}${path}`,
      body === null ? { headers } : { method: "POST", headers, body },
    );
    expect(await (await faulty.handle(request)).text()).toMatch(/^(?!.*secret)[\s\S]*hwLedger failed on this request/);
  }
  expect(log).toEqual(doors.map(() => fault));
});

describe("files", () => {
  test("are asked about again each time, and answered with 304 when they are the same", async () => {
    const first = await call("/static/icon.svg");
    expect(first.status).toBe(200);
    expect(first.headers.get("cache-control")).toContain("no-cache");
    const etag = first.headers.get("etag") ?? "";
    expect(etag).not.toBe("");
    expect((await call("/static/icon.svg", { headers: { "if-none-match": etag } })).status).toBe(304);
  });

  test("nothing outside their folder", async () => {
    for (const path of ["/static/../package.json", "/static/%2e%2e/package.json", "/static/..%2fpackage.json"]) {
      expect((await call(path)).text).not.toContain("allowScripts");
    }
  });
});

describe("listening", () => {
  test("a busy port: the next free one; a named one that is busy is an error", () => {
    const inUse = () => Object.assign(new Error("in use"), { code: "EADDRINUSE" });
    const bind = (port: number): number => {
      if (port < 8479) throw inUse();
      return port;
    };
    expect(listenOn(null, bind)).toBe(8479);
    expect(listenOn(9000, bind)).toBe(9000);
    expect(() => listenOn(8477, bind)).toThrow("port 8477 is in use by another program");
  });

  test("a port is never shared with another program", async () => {
    const config = readConfig({ HWLEDGER_HOME: home, HOME: home, HWLEDGER_OFFLINE: "1" });
    const make = () =>
      createApp({ plan: planDeps(config), version: "", port: () => 0, assetRoot: ASSET_ROOT, report: () => undefined });
    const [first, second] = [make(), make()];
    await Promise.all([first.modules, second.modules]);
    const port = bind(first, "127.0.0.1", 0);
    try {
      expect(() => listenOn(port, (wanted) => bind(second, "127.0.0.1", wanted))).toThrow(`port ${port} is in use`);
    } finally {
      await first.stop(true);
    }
  });

  test("runtime.json is its owner's alone, and goes with the program", () => {
    const folder = join(home, "data");
    const forget = writeRuntime(folder, { url: "http://127.0.0.1:1/", port: 1, pid: 2, version: "3" });
    const path = join(folder, "runtime.json");
    if (process.platform !== "win32") expect(statSync(path).mode & 0o777).toBe(0o600);
    forget();
    expect(() => statSync(path)).toThrow();
  });

  test("a data folder that cannot be written leaves the page working", () => {
    const file = join(home, "not-a-folder");
    writeFileSync(file, "");
    expect(writeRuntime(file, { url: "", port: 1, pid: 2, version: "3" })()).toBeUndefined();
  });

  test("an IPv6 address is written in brackets", () => {
    expect(urlOf("::1", 8477)).toBe("http://[::1]:8477/");
    expect(urlOf("127.0.0.1", 1)).toBe("http://127.0.0.1:1/");
  });

  test("no address but this machine's own", () => {
    expect(loopback("localhost")).toBe("localhost");
    expect(() => loopback("0.0.0.0")).toThrow("it has no log-in");
  });
});
