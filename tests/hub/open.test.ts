import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHubDeps, type OpenedModel, openModel } from "../../src/hub/open.ts";
import type { RepoDeps } from "../../src/hub/repo.ts";
import {
  accountedGguf,
  configText,
  GPT_OSS,
  ggufFile,
  LLAMA_GGUF,
  readyModels,
  safetensorsFile,
  TINY_LLAMA,
  textFile,
} from "../fakes/hub-models.ts";
import { BAD_TOKEN, commitOf, type FakeHub, type FakeRepo, GOOD_TOKEN, startHub } from "../fakes/hub-server.ts";
import { shardName, splitGguf, writeGguf } from "../fixtures/gguf-writer.ts";
import { errorOf } from "./app-error.ts";

const CONFIG = textFile("config.json", configText("tinyllama-1.1b"));
const SMALL = () => ggufFile("m-Q8_0.gguf", accountedGguf("meta-llama/Llama-3.2-1B", "Q8_0"));
const MOODY: readonly FakeRepo[] = [
  { id: "acme/gated", mood: "gated", files: [CONFIG] },
  { id: "acme/limited", mood: "limited", files: [CONFIG] },
  { id: "acme/hurried", mood: "hurried", files: [CONFIG] },
  { id: "acme/broken", mood: "broken", files: [CONFIG] },
  { id: "acme/cuts", mood: "cuts", times: 1, files: [SMALL()] },
  { id: "acme/cut-always", mood: "cuts", times: 100, files: [SMALL()] },
  { id: "acme/whole", mood: "whole", files: [SMALL()] },
  { id: "acme/long", mood: "long", files: [SMALL()] },
  { id: "acme/elsewhere", mood: "elsewhere", files: [SMALL()] },
  { id: "acme/liar", files: [{ ...SMALL(), sizeSaid: 5_000_000_000 }] },
  { id: "acme/evil", files: [CONFIG, { path: "../../evil.gguf", bytes: new Uint8Array(1) }] },
  { id: "acme/adapter", files: [textFile("adapter_config.json", "{}")] },
  { id: "acme/nothing", files: [textFile("README.md", "")] },
  { id: "acme/list", files: [textFile("config.json", "[]")] },
  { id: "acme/torch", files: [CONFIG, { path: "pytorch_model.bin", bytes: new Uint8Array(0), size: 2_200_000_000 }] },
];

let hub: FakeHub;
let folder = "";
let round = 0;
beforeAll(async () => {
  hub = await startHub([...readyModels(), ...MOODY]);
  folder = mkdtempSync(join(tmpdir(), "hwledger-hub-"));
});
afterAll(async () => {
  await hub.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  hub.requests.length = 0;
  round++;
});

interface Change {
  readonly offline?: boolean;
  readonly token?: string | null;
  readonly endpoint?: string;
  readonly cacheDir?: string | null;
  readonly sharedCacheDir?: string;
}

function deps(change: Change = {}): RepoDeps {
  return createHubDeps(
    {
      endpoint: change.endpoint ?? hub.url,
      token: change.token ?? null,
      tokenFile: join(folder, "no-token"),
      sharedCacheDir: change.sharedCacheDir ?? join(folder, "no-shared"),
      offline: change.offline ?? false,
    },
    {
      cacheDir: change.cacheDir === undefined ? join(folder, `cache-${round}`) : change.cacheDir,
      now: () => "2026-02-03T04:05:06.000Z",
    },
  );
}

function names(opened: OpenedModel): string[] {
  return opened.files.map(({ name }) => name);
}

describe("from the hub", () => {
  test("a repository with config.json: no weights, no header, only JSON", async () => {
    const opened = await openModel(GPT_OSS, deps());
    expect(opened).toMatchObject({
      id: GPT_OSS,
      source: "hub",
      revision: commitOf(GPT_OSS),
      // The three files of the index; original/ has the same weights again.
      downloadBytes: 4_792_272_488 + 4_798_702_184 + 4_170_342_232,
      fetchedAt: "2026-02-03T04:05:06.000Z",
      warnings: [],
      safetensors: { totalBytes: 13_761_264_768, elementsByDtype: { BF16: 1_804_459_584, U8: 19_707_494_400 } },
    });
    expect(opened.config).toMatchObject({ model_type: "gpt_oss", num_hidden_layers: 24 });
    expect(hub.requests.map(({ origin, path }) => [origin, path.split("?")[0]])).toEqual([
      ["hub", `/api/models/${GPT_OSS}/revision/main`],
      ["hub", `/api/models/${GPT_OSS}/tree/${commitOf(GPT_OSS)}`],
      ["hub", `/api/models/${GPT_OSS}/tree/${commitOf(GPT_OSS)}`],
      ["hub", `/${GPT_OSS}/resolve/${commitOf(GPT_OSS)}/model.safetensors.index.json`],
      ["hub", `/${GPT_OSS}/resolve/${commitOf(GPT_OSS)}/config.json`],
    ]);
  });

  test("one file of safetensors: 2,200,096,768 bytes of tensors and its header, 16 bits each", async () => {
    const opened = await openModel(TINY_LLAMA, deps());
    expect(opened.spec.status).toBe("ok");
    expect(opened.chosen?.name).toBe("safetensors");
    expect(opened.downloadBytes ?? 0).toBeGreaterThan(2_200_096_768);
    expect(opened.chosen?.bitsPerWeight ?? 0).toBeCloseTo(16, 4);
  });

  test("a quantisation: its header by ranges, and nothing past it", async () => {
    const opened = await openModel(`${LLAMA_GGUF}:Q4_K_M`, deps());
    expect(opened.chosen?.paths).toEqual(["Llama-3.2-1B-Q4_K_M.gguf"]);
    expect(names(opened)).toEqual(["Q4_K_M", "Q8_0", "F16", "mmproj F16", "imatrix imatrix"]);
    expect(opened.spec).toMatchObject({ status: "ok", spec: { architecture: "llama", tensorSource: "file" } });
    // llama.cpp's own count for Llama 3.2 1B: 1,235,814,432 elements; Q8_0 is 8.5 bits, F16 norms and the header a little more.
    expect(opened.files.find(({ name }) => name === "Q8_0")?.bitsPerWeight ?? 0).toBeCloseTo(8.5, 0);
    const header = readyModels()
      .find(({ id }) => id === LLAMA_GGUF)
      ?.files.find(({ path }) => path.includes("Q4_K_M"))?.bytes.length;
    const ranges = hub.requests.filter(({ origin }) => origin === "cdn");
    const last = Math.max(...ranges.map(({ range }) => Number(/-(\d+)$/.exec(range ?? "")?.[1])));
    expect(ranges.every(({ path }) => path.startsWith("/Llama-3.2-1B-Q4_K_M.gguf"))).toBe(true);
    expect(last).toBeLessThan((header ?? 0) + 2 * 2 ** 20);
    expect(opened.warnings).toEqual([]);
  });

  test("a repository of GGUF files named alone: the recommended one, and it is said which", async () => {
    const opened = await openModel(LLAMA_GGUF, deps());
    expect(opened.chosen?.name).toBe("Q4_K_M");
    expect(opened.warnings).toEqual([`"${LLAMA_GGUF}" has 3 GGUF models, and none was named: Q4_K_M is taken`]);
  });

  test("a split file by any of its parts", async () => {
    const opened = await openModel(`${LLAMA_GGUF}:Llama-3.2-1B-F16-00002-of-00002.gguf`, deps());
    expect(opened.chosen?.paths).toEqual([
      "F16/Llama-3.2-1B-F16-00001-of-00002.gguf",
      "F16/Llama-3.2-1B-F16-00002-of-00002.gguf",
    ]);
    expect(opened.gguf?.tensors.filter(({ shard }) => shard === 1).length).toBe(
      Math.floor((opened.gguf?.tensors.length ?? 0) / 2),
    );
  });

  test("again: one question, the rest from the cache", async () => {
    const cacheDir = join(folder, "again");
    const first = await openModel(`${LLAMA_GGUF}:Q8_0`, deps({ cacheDir }));
    hub.requests.length = 0;
    const second = await openModel(`${LLAMA_GGUF}:Q8_0`, deps({ cacheDir }));
    expect(hub.requests.map(({ path }) => path.split("?")[0])).toEqual([`/api/models/${LLAMA_GGUF}/revision/main`]);
    expect(second.spec).toEqual(first.spec);
    expect(second.files).toEqual(first.files);
    hub.requests.length = 0;
    const exact = await openModel(`${LLAMA_GGUF}@${commitOf(LLAMA_GGUF)}:Q8_0`, deps({ cacheDir }));
    expect(exact.spec).toEqual(first.spec);
    expect(hub.requests).toEqual([]);
  });

  test("offline: what was read before, with its date", async () => {
    const cacheDir = join(folder, "offline");
    const first = await openModel(GPT_OSS, deps({ cacheDir }));
    hub.requests.length = 0;
    const second = await openModel(GPT_OSS, deps({ cacheDir, offline: true }));
    expect(second.spec).toEqual(first.spec);
    expect(second.warnings[0]).toMatch(/as of 2026-02-03 \(commit [0-9a-f]{12}\): the network is not asked/);
    const unreachable = await openModel(GPT_OSS, deps({ cacheDir, endpoint: "http://127.0.0.1:9" }));
    expect(unreachable.spec).toEqual(first.spec);
    expect(unreachable.warnings[0]).toMatch(/as of 2026-02-03 .*Cannot reach "http:\/\/127\.0\.0\.1:9"/);
    expect(hub.requests).toEqual([]);
    const error = await errorOf(openModel("acme/other", deps({ cacheDir, offline: true })));
    expect(error.code).toBe("network");
    expect(error.message).toMatch(/offline: nothing of it was read before/);
  });

  test("offline: a snapshot that another program downloaded", async () => {
    const sharedCacheDir = join(folder, "shared");
    const sha = "0123456789abcdef0123456789abcdef01234567";
    const repo = join(sharedCacheDir, "models--acme--other--name");
    mkdirSync(join(repo, "snapshots", sha), { recursive: true });
    mkdirSync(join(repo, "refs"));
    writeFileSync(join(repo, "refs", "main"), sha);
    writeFileSync(join(repo, "snapshots", sha, "config.json"), configText("tinyllama-1.1b"));
    // The hub's names have no "--"; the folder's do, and the first one is the organisation's.
    const { findSnapshot, listSnapshots } = await import("../../src/hub/shared-cache.ts");
    expect(listSnapshots(sharedCacheDir)).toEqual([
      { id: "acme/other--name", sha, folder: join(repo, "snapshots", sha) },
    ]);
    expect(findSnapshot(sharedCacheDir, "acme/other--name", sha)?.sha).toBe(sha);
    expect(findSnapshot(sharedCacheDir, "acme/none", "main")).toBeNull();
    const opened = await openModel(
      { kind: "hub", id: "acme/other--name", revision: null, pick: null },
      deps({ sharedCacheDir, offline: true }),
    );
    expect(opened.revision).toBe(sha);
    expect(opened.warnings[0]).toMatch(/as another program downloaded it/);
  });

  test("a disk that refuses: the answer, and a warning", async () => {
    const file = join(folder, "a-file");
    writeFileSync(file, "");
    const opened = await openModel(TINY_LLAMA, deps({ cacheDir: file }));
    expect(opened.spec.status).toBe("ok");
    expect(opened.warnings.filter((text) => text.startsWith("Nothing is kept for offline use")).length).toBe(1);
  });

  test("nothing half-written stays in the cache", async () => {
    const cacheDir = join(folder, "whole");
    await openModel(`${LLAMA_GGUF}:Q8_0`, deps({ cacheDir }));
    const all = readdirSync(cacheDir, { recursive: true }).map(String);
    expect(all.filter((path) => path.includes("partial"))).toEqual([]);
    expect(all).toContain(join("hub", LLAMA_GGUF, "refs.json"));
    expect(all).toContain(join("hub", LLAMA_GGUF, commitOf(LLAMA_GGUF), "headers", "Llama-3.2-1B-Q8_0.gguf.json"));
  });
});

describe("the hub's refusals", () => {
  test.each([
    ["acme/gated", "gated", /accepted licence/, /accept the licence at http.*\/acme\/gated, then set HF_TOKEN/],
    ["acme/none", "not_found", /no such repository/, /check the name/],
    [`${LLAMA_GGUF}@v9`, "not_found", /no such revision/, /branch/],
    [`${LLAMA_GGUF}:Q3_K_M`, "not_found", /no file of that quantisation/, /it has Q4_K_M, Q8_0, F16/],
    ["acme/hurried", "rate_limited", /a pause of 3600 seconds/, /HF_TOKEN/],
    ["acme/broken", "malformed", /not what the API says/, /HF_ENDPOINT/],
    ["acme/whole", "network", /answers with the whole file/, /Range/],
    ["acme/long", "network", /longer than \d+ bytes/, /./],
    ["acme/elsewhere", "network", /only https is followed/, /./],
    ["acme/liar", "malformed", /list says 5000000000 bytes, and its server \d+/, /./],
    ["acme/evil", "malformed", /not what the API says/, /./],
    ["acme/adapter", "unsupported", /an adapter, not a model/, /made for/],
    ["acme/nothing", "unsupported", /neither config\.json nor a whole GGUF/, /./],
    ["acme/list", "malformed", /no JSON object/, /./],
    [`${TINY_LLAMA}:Q4_K_M`, "not_found", /no file of that quantisation/, /no GGUF files/],
  ] as const)("%s", async (model, code, message, hint) => {
    const error = await errorOf(openModel(model, deps()));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    if (hint.source !== ".") expect(error.hint).toMatch(hint);
  });

  test("gated, with the right token: it goes to the hub, and never to the other origin", async () => {
    const opened = await openModel("acme/gated", deps({ token: GOOD_TOKEN }));
    expect(opened.spec.status).toBe("ok");
    expect(hub.requests.every(({ authorization }) => authorization === `Bearer ${GOOD_TOKEN}`)).toBe(true);
    hub.requests.length = 0;
    await openModel(`${LLAMA_GGUF}:Q8_0`, deps({ token: "mirror-token" }));
    const sent = hub.requests.map(({ origin, authorization }) => `${origin} ${authorization}`);
    expect(new Set(sent)).toEqual(new Set(["hub Bearer mirror-token", "cdn null"]));
  });

  test("a token that the hub does not know", async () => {
    const error = await errorOf(openModel(GPT_OSS, deps({ token: BAD_TOKEN })));
    expect(error.code).toBe("gated");
    expect(error.message).toMatch(/does not accept the token/);
  });

  test("429 with Retry-After: 1 is waited for", async () => {
    const opened = await openModel("acme/limited", deps());
    expect(opened.spec.status).toBe("ok");
    expect(hub.requests.filter(({ path }) => path.includes("/revision/")).length).toBe(2);
  });

  test("a connection cut in mid-range is tried again, three times at most", async () => {
    expect((await openModel("acme/cuts", deps())).chosen?.name).toBe("Q8_0");
    hub.requests.length = 0;
    expect((await errorOf(openModel("acme/cut-always", deps()))).code).toBe("network");
    expect(hub.requests.filter(({ origin }) => origin === "cdn").length).toBe(3);
  });

  test("weights in PyTorch's format: the geometry, and a warning", async () => {
    const opened = await openModel("acme/torch", deps());
    expect(opened.spec.status).toBe("ok");
    expect(opened.downloadBytes).toBeNull();
    expect(opened.warnings[0]).toMatch(/PyTorch/);
  });
});

describe("from the disk", () => {
  test("one GGUF file", async () => {
    const path = join(folder, "m-Q4_K_M.gguf");
    const written = writeGguf(path, accountedGguf("meta-llama/Llama-3.2-1B", "Q4_K_M"));
    const opened = await openModel(path, deps());
    expect(opened).toMatchObject({ id: path, source: "file", revision: null, downloadBytes: 0, fetchedAt: null });
    expect(opened.chosen).toMatchObject({ name: "Q4_K_M", bytes: written.fileBytes, paths: [path] });
    expect(hub.requests).toEqual([]);
  });

  test("a file whose name says nothing is named by its header", async () => {
    const path = join(folder, "sha256-0123");
    writeGguf(path, accountedGguf("meta-llama/Llama-3.2-1B", "Q8_0"));
    expect((await openModel(path, deps())).chosen?.name).toBe("Q8_0");
  });

  test("a split one by its second part", async () => {
    const parts = splitGguf(accountedGguf("meta-llama/Llama-3.2-1B", "Q4_K_M"), 2);
    const paths = parts.map((part, no) => {
      const path = join(folder, shardName("s-Q4_K_M", no, 2));
      writeGguf(path, part);
      return path;
    });
    const opened = await openModel(paths[1] ?? "", deps());
    expect(opened.chosen).toMatchObject({ name: "Q4_K_M", paths });
  });

  test("a folder with config.json and safetensors", async () => {
    const path = join(folder, "tiny");
    mkdirSync(path);
    writeFileSync(join(path, "config.json"), configText("tinyllama-1.1b"));
    const weights = safetensorsFile("model.safetensors", { a: ["BF16", [10, 4], 80], b: ["F32", [5], 20] });
    const size = weights.size ?? 0;
    writeFileSync(join(path, "model.safetensors"), new Uint8Array([...weights.bytes, ...new Uint8Array(100)]));
    const opened = await openModel(path, deps());
    expect(opened).toMatchObject({ source: "folder", downloadBytes: 0, warnings: [] });
    expect(opened.chosen).toMatchObject({
      bytes: size,
      bitsPerWeight: (size * 8) / 45,
      paths: [join(path, "model.safetensors")],
    });
    expect(opened.safetensors).toEqual({ totalBytes: null, elementsByDtype: { BF16: 40, F32: 5 } });
    truncateSync(join(path, "model.safetensors"), size - 1);
    const cut = await openModel(path, deps());
    expect(cut.spec.status).toBe("ok");
    expect(cut.warnings[0]).toMatch(/the tensor "b" ends outside the file/);
  });

  test("a config.json that is no file, or longer than any", async () => {
    const path = join(folder, "odd-config");
    mkdirSync(path);
    symlinkSync("/dev/null", join(path, "config.json"));
    expect((await errorOf(openModel(path, deps()))).message).toMatch(/it is not a file/);
    rmSync(join(path, "config.json"));
    writeFileSync(join(path, "config.json"), "{}");
    truncateSync(join(path, "config.json"), 64 * 2 ** 20 + 1);
    expect((await errorOf(openModel(path, deps()))).message).toMatch(/67108865 bytes, and 67108864 are the most/);
  });

  test("a folder with a loop of links in it", async () => {
    const path = join(folder, "loop");
    mkdirSync(path);
    symlinkSync("round", join(path, "round"));
    writeFileSync(join(path, "config.json"), configText("tinyllama-1.1b"));
    expect((await openModel(path, deps())).spec.status).toBe("ok");
  });

  test("a folder with config.json alone", async () => {
    const path = join(folder, "bare");
    mkdirSync(path);
    writeFileSync(join(path, "config.json"), configText("tinyllama-1.1b"));
    expect(await openModel(path, deps())).toMatchObject({ chosen: null, files: [], safetensors: null });
  });
});

test("search: the most downloaded first", async () => {
  const { client } = deps();
  expect((await client?.search("llama", 10))?.map(({ id }) => id)).toEqual([TINY_LLAMA, LLAMA_GGUF]);
  expect((await client?.search("", 1))?.[0]).toEqual({
    id: GPT_OSS,
    downloads: 5_000_000,
    likes: 0,
    gated: false,
    updatedAt: "2026-01-02T03:04:05.000Z",
  });
});
