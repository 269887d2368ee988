/**
 * A small hub on loopback that speaks the protocol of the real one: model info, tree with pages, paths-info, resolve and
 * raw with ranges, large files behind a redirect to a second origin. It keeps every request, so that a test can say which
 * bytes were asked; a file's bytes after its `bytes` are zeros and take no memory.
 */
import type { Server } from "bun";

export interface FakeFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Of the whole file; the length of `bytes` when left out. */
  readonly size?: number;
  /** What the tree says instead. */
  readonly sizeSaid?: number;
}

/**
 * What a repository does to who reads it: gated: 401 without `Bearer hf_good`. limited: 429 with Retry-After 1, `times`
 * times in all. hurried: 429 with Retry-After 3600. slow: says nothing. cuts: half of the range, then the end, `times`
 * times. whole: ignores Range. long: more bytes than asked. elsewhere: redirects to another host over http. broken: an
 * answer that is no JSON. down: 503.
 */
export type Mood =
  | "gated"
  | "limited"
  | "hurried"
  | "slow"
  | "cuts"
  | "whole"
  | "long"
  | "elsewhere"
  | "broken"
  | "down";

export interface FakeRepo {
  readonly id: string;
  readonly files: readonly FakeFile[];
  /** 40 hex digits; made from the id when left out. */
  readonly sha?: string;
  readonly mood?: Mood;
  readonly times?: number;
  /** safetensors.parameters of the model info. */
  readonly elementsByDtype?: Readonly<Record<string, number>>;
  readonly downloads?: number;
}

export interface HubRequest {
  readonly origin: "hub" | "cdn";
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly range: string | null;
  readonly authorization: string | null;
}

export interface FakeHub {
  /** Set HF_ENDPOINT to it. */
  readonly url: string;
  readonly cdnUrl: string;
  readonly requests: HubRequest[];
  readonly stop: () => Promise<void>;
}

export const GOOD_TOKEN = "hf_good";
/** Refused everywhere: 401 without an error code, as the real hub does it. */
export const BAD_TOKEN = "hf_bad";
/** Files up to this size are the hub's own; larger ones are redirected to. */
const LARGEST_OWN = 1 << 20;
/** Entries of a page of the tree: few, so that paging is met. */
const PAGE = 4;

export function commitOf(id: string): string {
  return new Bun.CryptoHasher("sha1").update(id).digest("hex");
}

function sizeOf(file: FakeFile): number {
  return file.size ?? file.bytes.length;
}

/** Starts it on ports of its own; loopback only. */
export function startHub(repos: readonly FakeRepo[]): Promise<FakeHub> {
  const requests: HubRequest[] = [];
  const left = new Map(repos.map((repo) => [repo.id, repo.times ?? 1]));
  const byId = new Map(repos.map((repo) => [repo.id, repo]));
  const log = (origin: "hub" | "cdn", request: Request) => {
    const { pathname, search } = new URL(request.url);
    const range = request.headers.get("Range");
    const authorization = request.headers.get("Authorization");
    requests.push({ origin, method: request.method, path: `${decodeURI(pathname)}${search}`, range, authorization });
  };
  const takeTurn = (id: string): boolean => {
    const turns = left.get(id) ?? 0;
    left.set(id, turns - 1);
    return turns > 0;
  };

  const cdn = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      log("cdn", request);
      const { pathname, searchParams } = new URL(request.url);
      const repo = byId.get(searchParams.get("repo") ?? "");
      const file = repo?.files.find(({ path }) => `/${path}` === decodeURIComponent(pathname));
      if (repo === undefined || file === undefined) return new Response("no such file", { status: 404 });
      return contentOf(request, repo, file, () => takeTurn(repo.id));
    },
  });
  const cdnUrl = `http://127.0.0.1:${cdn.port}`;

  const hub = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 30,
    fetch: async (request, server) => {
      log("hub", request);
      const url = new URL(request.url);
      if (url.pathname === "/api/models") return search(repos, url);
      const parts = decodeURIComponent(url.pathname).split("/").slice(1);
      const isApi = parts[0] === "api" && parts[1] === "models";
      const rest = isApi ? parts.slice(2) : parts;
      const verbs = isApi ? ["revision", "tree", "paths-info"] : ["resolve", "raw"];
      const at = rest.findIndex((part) => verbs.includes(part));
      if (at < 1) return notFound("RepoNotFound", 404);
      const id = rest.slice(0, at).join("/");
      const [verb = "", revision = "", ...path] = rest.slice(at);
      const repo = byId.get(id);
      const sent = request.headers.get("Authorization");
      if (sent === `Bearer ${BAD_TOKEN}`)
        return Response.json({ error: "Invalid username or password." }, { status: 401 });
      // The real hub does not say which names exist to who is not known.
      if (repo === undefined) return notFound("RepoNotFound", 401);
      if (!["main", "HEAD", shaOf(repo)].includes(revision)) return notFound("RevisionNotFound", 404);
      const held = await moodAnswer(repo, server, request, () => takeTurn(id));
      if (held !== null) return held;
      if (verb === "revision") return Response.json(infoOf(repo));
      if (verb === "tree") return treePage(repo, url);
      if (verb === "paths-info") return pathsInfo(repo, request);
      return resolveFile(request, repo, path.join("/"), cdnUrl, () => takeTurn(id));
    },
  });
  return Promise.resolve({
    url: `http://127.0.0.1:${hub.port}`,
    cdnUrl,
    requests,
    stop: async () => {
      await Promise.all([hub.stop(true), cdn.stop(true)]);
    },
  });
}

function shaOf(repo: FakeRepo): string {
  return repo.sha ?? commitOf(repo.id);
}

function notFound(code: string, status: number): Response {
  const error = { RepoNotFound: "Repository not found", RevisionNotFound: "Invalid rev id" }[code] ?? "Entry not found";
  return Response.json({ error }, { status, headers: { "X-Error-Code": code, "X-Error-Message": error } });
}

/** null: the request goes on as on a good day. */
async function moodAnswer(
  repo: FakeRepo,
  server: Server<undefined>,
  request: Request,
  takeTurn: () => boolean,
): Promise<Response | null> {
  switch (repo.mood) {
    case "limited":
      return takeTurn() ? new Response("slow down", { status: 429, headers: { "Retry-After": "1" } }) : null;
    case "hurried":
      return new Response("slow down", { status: 429, headers: { "Retry-After": "3600" } });
    case "slow":
      server.timeout(request, 0);
      await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
      return new Response(null, { status: 499 });
    case "broken":
      return new Response("<html>Sign in to the hotel's network</html>", { headers: { "Content-Type": "text/html" } });
    case "down":
      return new Response("maintenance", { status: 503 });
    default:
      return null;
  }
}

function infoOf(repo: FakeRepo): unknown {
  const parameters = repo.elementsByDtype;
  const total = Object.values(parameters ?? {}).reduce((sum, n) => sum + n, 0);
  return {
    _id: shaOf(repo).slice(0, 24),
    id: repo.id,
    sha: shaOf(repo),
    private: false,
    gated: repo.mood === "gated" ? "manual" : false,
    downloads: repo.downloads ?? 0,
    likes: 0,
    lastModified: "2026-01-02T03:04:05.000Z",
    ...(parameters === undefined ? {} : { safetensors: { parameters, total } }),
  };
}

function entryOf(file: FakeFile): unknown {
  const size = file.sizeSaid ?? sizeOf(file);
  const oid = new Bun.CryptoHasher("sha256").update(file.path).digest("hex");
  const lfs = size > LARGEST_OWN ? { lfs: { oid, size, pointerSize: 135 } } : {};
  return { type: "file", oid: oid.slice(0, 40), size, path: file.path, ...lfs };
}

function treePage(repo: FakeRepo, url: URL): Response {
  const from = Number(url.searchParams.get("cursor") ?? 0);
  const folders = new Set(
    repo.files.map(({ path }) => path.split("/").slice(0, -1).join("/")).filter((path) => path !== ""),
  );
  const all = [
    ...[...folders].map((path) => ({ type: "directory", oid: "0".repeat(40), size: 0, path })),
    ...repo.files.map(entryOf),
  ];
  const headers = new Headers();
  if (from + PAGE < all.length) {
    const next = new URL(url);
    next.searchParams.set("cursor", String(from + PAGE));
    headers.set("Link", `<${next.href}>; rel="next"`);
  }
  return Response.json(all.slice(from, from + PAGE), { headers });
}

async function pathsInfo(repo: FakeRepo, request: Request): Promise<Response> {
  if (request.method !== "POST") return new Response(null, { status: 405 });
  const { paths } = (await request.json()) as { paths: string[] };
  return Response.json(repo.files.filter(({ path }) => paths.includes(path)).map(entryOf));
}

function search(repos: readonly FakeRepo[], url: URL): Response {
  const words = (url.searchParams.get("search") ?? "").toLowerCase();
  const limit = Number(url.searchParams.get("limit") ?? 10);
  const hits = repos.filter(({ id }) => id.toLowerCase().includes(words));
  hits.sort((a, b) => (b.downloads ?? 0) - (a.downloads ?? 0));
  return Response.json(hits.slice(0, limit).map(infoOf));
}

function resolveFile(
  request: Request,
  repo: FakeRepo,
  path: string,
  cdnUrl: string,
  takeTurn: () => boolean,
): Response {
  const file = repo.files.find((entry) => entry.path === path);
  if (file === undefined) return notFound("EntryNotFound", 404);
  if (repo.mood === "gated" && request.headers.get("Authorization") !== `Bearer ${GOOD_TOKEN}`) {
    const error = `Access to model ${repo.id} is restricted. You must be authenticated to access it.`;
    return Response.json({ error }, { status: 401, headers: { "X-Error-Code": "GatedRepo" } });
  }
  if (repo.mood === "elsewhere") return Response.redirect("http://198.51.100.7/steal", 302);
  if (sizeOf(file) <= LARGEST_OWN) return contentOf(request, repo, file, takeTurn);
  const headers = { ...repoHeaders(repo), "X-Linked-Size": String(sizeOf(file)), "Accept-Ranges": "bytes" };
  const to = `${cdnUrl}/${path.split("/").map(encodeURIComponent).join("/")}?repo=${encodeURIComponent(repo.id)}`;
  return new Response(null, { status: 302, headers: { ...headers, Location: to } });
}

function repoHeaders(repo: FakeRepo): Record<string, string> {
  return { "X-Repo-Commit": shaOf(repo), ETag: `"${shaOf(repo).slice(0, 32)}"` };
}

function slice(file: FakeFile, from: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  bytes.set(file.bytes.subarray(from, from + length));
  return bytes;
}

function contentOf(request: Request, repo: FakeRepo, file: FakeFile, takeTurn: () => boolean): Response {
  const size = sizeOf(file);
  const headers = { ...repoHeaders(repo), "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream" };
  if (request.method === "HEAD") return new Response(null, { headers: { ...headers, "Content-Length": String(size) } });
  const range = /^bytes=(\d+)-(\d+)?$/.exec(request.headers.get("Range") ?? "");
  if (range === null || repo.mood === "whole") return new Response(wholeFile(file), { headers });
  const from = Number(range[1]);
  const to = Math.min(Number(range[2] ?? size - 1), size - 1);
  if (from > to) return new Response(null, { status: 416, headers: { "Content-Range": `bytes */${size}` } });
  const rangeHeaders = { ...headers, "Content-Range": `bytes ${from}-${to}/${size}` };
  if (repo.mood === "long") {
    return new Response(slice(file, from, to - from + 1 + 4096), { status: 206, headers: rangeHeaders });
  }
  if (repo.mood === "cuts" && takeTurn()) {
    return new Response(slice(file, from, Math.floor((to - from + 1) / 2)), {
      status: 206,
      headers: rangeHeaders,
    });
  }
  return new Response(slice(file, from, to - from + 1), { status: 206, headers: rangeHeaders });
}

/** Streamed: who takes it all, against the rules, takes gigabytes of zeros and not our memory. */
function wholeFile(file: FakeFile): ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> {
  const size = sizeOf(file);
  if (size <= LARGEST_OWN) return slice(file, 0, size);
  let at = 0;
  return new ReadableStream({
    pull: (controller) => {
      const length = Math.min(LARGEST_OWN, size - at);
      controller.enqueue(slice(file, at, length));
      at += length;
      if (at >= size) controller.close();
    },
  });
}
