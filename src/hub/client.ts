/**
 * The hub: what a repository is at a commit, its files, and any part of them.
 * The API's paths and paging come from @huggingface/hub, over our own fetch (http.ts); parts of files are asked here,
 * in one request each, where the library needs two or three.
 */
import { z } from "zod";
import { AppError } from "../errors.ts";
import type { ByteSource } from "./byte-source.ts";
import type { Answer, Http } from "./http.ts";
import { isRepoId, isRepoPath } from "./repo-path.ts";

export interface RepoInfo {
  readonly id: string;
  /** The commit, 40 hex digits. */
  readonly sha: string;
  /** Elements by dtype ("BF16"), as the hub counted them in the safetensors headers; null when it has none. */
  readonly elementsByDtype: Readonly<Record<string, number>> | null;
}

export interface HubFile {
  readonly path: string;
  readonly size: number;
}

export interface SearchHit {
  readonly id: string;
  readonly downloads: number;
  readonly likes: number;
  readonly gated: boolean;
  readonly updatedAt: string | null;
}

export interface HubClient {
  readonly info: (id: string, revision: string | null) => Promise<RepoInfo>;
  readonly files: (id: string, sha: string) => Promise<readonly HubFile[]>;
  /** A small file, whole. */
  readonly text: (id: string, sha: string, path: string) => Promise<string>;
  readonly source: (id: string, sha: string, file: HubFile) => ByteSource;
  readonly search: (query: string, limit: number) => Promise<readonly SearchHit[]>;
}

const INFO = z.object({
  name: z.string().refine(isRepoId),
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  safetensors: z
    .object({ parameters: z.record(z.string(), z.number().int().nonnegative()) })
    .nullish()
    .catch(null),
});
const FILE = z.object({
  type: z.string(),
  path: z.string().refine(isRepoPath),
  size: z.number().int().nonnegative().safe(),
});
const HIT = z.object({
  name: z.string(),
  downloads: z.number().catch(0),
  likes: z.number().catch(0),
  gated: z.union([z.literal(false), z.string()]).catch(false),
  updatedAt: z.date().nullable().catch(null),
});

/** Loaded when the hub is first asked: a plan of a local file starts without it. */
const library = (): Promise<typeof import("@huggingface/hub")> => import("@huggingface/hub");

/** A repository of 10,000 shards is the largest the hub's own tools read. */
const MAX_FILES = 20_000;
/** Of one answer in pages: the hub gives 1000 entries in each, and a mirror that always names a next one must end, too. */
const MAX_PAGES = 100;

export function createHubClient(endpoint: string, http: Http): HubClient {
  /** For the library: it gets whole answers, and the errors it makes of a status are replaced by `explain`. */
  const libraryFetch = (id: string | null): typeof fetch => {
    let pages = 0;
    return Object.assign(
      async (input: string | URL | Request): Promise<Response> => {
        if (++pages > MAX_PAGES) throw badAnswer(id, `more than ${MAX_PAGES} pages`);
        const answer = await http.get(input instanceof Request ? input.url : String(input), {
          accept: "application/json",
        });
        if (answer.status < 200 || answer.status > 299) throw refusal(id, null, answer);
        return new Response(answer.body, { status: answer.status, headers: plainHeaders(answer.headers) });
      },
      { preconnect: () => undefined },
    );
  };
  const refusal = (id: string | null, path: string | null, answer: Answer) =>
    explain({ endpoint, hasToken: http.hasToken }, id, path, answer);
  const common = (id: string | null) => ({ hubUrl: endpoint, fetch: libraryFetch(id) });

  return {
    info: async (id, revision) => {
      const raw = await answered(id, async () =>
        (await library()).modelInfo({
          name: id,
          revision: revision ?? "main",
          additionalFields: ["sha", "safetensors"],
          ...common(id),
        }),
      );
      const info = parsed(INFO, raw, id);
      return {
        id: info.name,
        sha: info.sha,
        elementsByDtype: info.safetensors?.parameters ?? null,
      };
    },
    files: (id, sha) =>
      answered(id, async () => {
        const { listFiles } = await library();
        const files: HubFile[] = [];
        for await (const entry of listFiles({ repo: id, revision: sha, recursive: true, ...common(id) })) {
          const { type, path, size } = parsed(FILE, entry, id);
          if (type === "file") files.push({ path, size });
          if (files.length > MAX_FILES) {
            throw new AppError("unsupported", `Cannot list "${id}": it has more than ${MAX_FILES} files`);
          }
        }
        return files;
      }),
    text: async (id, sha, path) => {
      const answer = await http.get(fileUrl(endpoint, id, sha, path));
      if (answer.status !== 200) throw refusal(id, path, answer);
      return new TextDecoder().decode(answer.body);
    },
    source: (id, sha, file) => ({
      name: `${id}/${file.path}`,
      size: file.size,
      read: async (offset, length) => {
        const answer = await http.range(fileUrl(endpoint, id, sha, file.path), offset, length, file.size);
        if (answer.status !== 206) throw refusal(id, file.path, answer);
        return answer.body;
      },
    }),
    search: (query, limit) =>
      answered(null, async () => {
        const { listModels } = await library();
        const hits: SearchHit[] = [];
        for await (const entry of listModels({ search: { query }, limit, sort: "downloads", ...common(null) })) {
          const { name, downloads, likes, gated, updatedAt } = parsed(HIT, entry, query);
          const when = updatedAt === null || Number.isNaN(updatedAt.valueOf()) ? null : updatedAt.toISOString();
          hits.push({ id: name, downloads, likes, gated: gated !== false, updatedAt: when });
        }
        return hits;
      }),
  };
}

function fileUrl(endpoint: string, id: string, sha: string, path: string): string {
  return `${endpoint}/${id}/resolve/${sha}/${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** The body is decoded already: the lengths and encodings of the wire no longer hold. */
function plainHeaders(headers: Headers): Headers {
  const plain = new Headers(headers);
  plain.delete("Content-Encoding");
  plain.delete("Content-Length");
  return plain;
}

/** What the library throws of its own (a body that is no JSON, a wrong type) is a malformed answer. */
async function answered<T>(id: string | null, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    if (cause instanceof AppError || (cause instanceof Error && cause.name === "AbortError")) throw cause;
    throw badAnswer(id, cause);
  }
}

function badAnswer(id: string | null, cause: unknown): AppError {
  return new AppError(
    "malformed",
    `Cannot read the hub's answer about "${id ?? "its models"}": it is not what the API says`,
    {
      hint: "check that HF_ENDPOINT names a hub",
      cause,
    },
  );
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, id: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw badAnswer(id, result.error);
}

/** A status that is no success, as a sentence. The hub says 401 also for a repository that is not there. */
function explain(
  { endpoint, hasToken }: { readonly endpoint: string; readonly hasToken: boolean },
  id: string | null,
  path: string | null,
  answer: Answer,
): AppError {
  const what = id === null ? "the hub's list" : `"${path === null ? id : `${id}/${path}`}"`;
  const code = answer.headers.get("X-Error-Code");
  const { status } = answer;
  if (code === "GatedRepo" || (status === 403 && code === null)) {
    return new AppError("gated", `Cannot read ${what}: its owner asks for an accepted licence`, {
      hint: `accept the licence at ${endpoint}/${id ?? ""}, then set HF_TOKEN`,
    });
  }
  if (code === "RevisionNotFound") {
    return new AppError("not_found", `Cannot read ${what}: there is no such revision`, {
      hint: "give a branch, a tag or a commit of it, or none",
    });
  }
  if (code === "EntryNotFound") return new AppError("not_found", `Cannot read ${what}: there is no such file`);
  if (status === 401 && code === null && hasToken) {
    return new AppError("gated", `Cannot read ${what}: the hub does not accept the token`, {
      hint: "check HF_TOKEN, or the token that hf auth login has written",
    });
  }
  if (status === 401 || status === 403 || status === 404) {
    const hint = status === 404 ? "check the name" : "check the name; for a private one set HF_TOKEN";
    return new AppError("not_found", `Cannot read ${what}: the hub has no such repository`, { hint });
  }
  return new AppError("network", `Cannot read ${what}: the hub answers ${status}`, { hint: "try again later" });
}
