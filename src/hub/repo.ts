/**
 * A repository at one commit, read from where it is nearest: our own cache, the shared cache of other tools, the hub.
 * Without the hub, the last known commit is shown, with its date.
 */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../errors.ts";
import { type ByteSource, readTextFile, withFile } from "./byte-source.ts";
import type { HubCache } from "./cache.ts";
import type { HubClient, HubFile } from "./client.ts";
import { headerFromJson, headerToJson } from "./gguf/header-json.ts";
import { type GgufModel, type LendSource, readGgufModel } from "./gguf/read-model.ts";
import { sizeOf } from "./look.ts";
import { isRepoPath } from "./repo-path.ts";
import { readSafetensorsHeader } from "./safetensors.ts";
import { filesBelow, findSnapshot } from "./shared-cache.ts";
import type { TableTensor } from "./tensor-table.ts";

export interface RepoDeps {
  /** null: the network is not to be asked. */
  readonly client: HubClient | null;
  readonly cache: HubCache;
  readonly sharedCacheDir: string;
  /** ISO 8601. */
  readonly now: () => string;
}

export interface Repo {
  readonly id: string;
  readonly sha: string;
  readonly files: readonly HubFile[];
  readonly elementsByDtype: Readonly<Record<string, number>> | null;
  /** When the hub last said that the revision is at this commit; null when it never told us. */
  readonly fetchedAt: string | null;
  readonly warnings: readonly string[];
  readonly has: (path: string) => boolean;
  readonly text: (path: string) => Promise<string>;
  readonly gguf: (path: string) => Promise<GgufModel>;
  /** The table of tensors of one safetensors file. */
  readonly tensors: (path: string) => Promise<readonly TableTensor[]>;
}

const LISTING = z.object({
  schema: z.literal("hwledger.repo/1"),
  elements_by_dtype: z.record(z.string(), z.number()).nullable(),
  files: z
    .array(z.object({ path: z.string().refine(isRepoPath), size: z.number().int().nonnegative().safe() }))
    .readonly(),
});

const TABLE = z.object({
  schema: z.literal("hwledger.tensors/1"),
  tensors: z.array(z.tuple([z.string(), z.number().int().nonnegative().safe()])).readonly(),
});

const COMMIT = /^[0-9a-f]{40}$/;

interface Listing {
  readonly files: readonly HubFile[];
  readonly elementsByDtype: Readonly<Record<string, number>> | null;
}

/** @throws {AppError} as the client; network when nothing of it was read before */
export async function openRepo(id: string, revision: string | null, deps: RepoDeps): Promise<Repo> {
  const { client } = deps;
  const wanted = revision ?? "main";
  if (client === null) return repoOnDisk(id, wanted, deps, null);
  const exact = COMMIT.test(wanted) ? keptListing(deps.cache, id, wanted) : null;
  // A commit does not change: what is kept of it needs no question.
  if (exact !== null) return repoAt({ id, sha: wanted, listing: exact, fetchedAt: null, warnings: [] }, deps);
  try {
    const info = await client.info(id, revision);
    const listing = keptListing(deps.cache, info.id, info.sha) ?? {
      files: await client.files(info.id, info.sha),
      elementsByDtype: info.elementsByDtype,
    };
    const fetchedAt = deps.now();
    keepListing(deps.cache, info.id, info.sha, listing);
    // Under the name that was asked for, too: a repository may have moved.
    for (const name of new Set([info.id, id])) deps.cache.rememberRef(name, wanted, { sha: info.sha, fetchedAt });
    if (id !== info.id) keepListing(deps.cache, id, info.sha, listing);
    return repoAt({ id: info.id, sha: info.sha, listing, fetchedAt, warnings: [] }, deps);
  } catch (error) {
    if (error instanceof AppError && (error.code === "network" || error.code === "rate_limited")) {
      return repoOnDisk(id, wanted, deps, error);
    }
    throw error;
  }
}

function repoOnDisk(id: string, wanted: string, deps: RepoDeps, why: AppError | null): Repo {
  const known = COMMIT.test(wanted) ? { sha: wanted, fetchedAt: null } : deps.cache.knownRef(id, wanted);
  const listing = known === null ? null : keptListing(deps.cache, id, known.sha);
  const reason = why === null ? "the network is not asked" : why.message;
  if (known !== null && listing !== null) {
    const since = known.fetchedAt === null ? "as it was read before" : `as of ${known.fetchedAt.slice(0, 10)}`;
    const warnings = [`This is "${id}" ${since} (commit ${known.sha.slice(0, 12)}): ${reason}`];
    return repoAt({ id, sha: known.sha, listing, fetchedAt: known.fetchedAt, warnings }, deps);
  }
  const snapshot = findSnapshot(deps.sharedCacheDir, id, wanted);
  if (snapshot === null) throw neverRead(id, why);
  const warnings = [
    `This is "${id}" as another program downloaded it (commit ${snapshot.sha.slice(0, 12)}), with the files it took: ${reason}`,
  ];
  const onDisk = { files: filesBelow(snapshot.folder), elementsByDtype: null };
  return repoAt({ id, sha: snapshot.sha, listing: onDisk, fetchedAt: null, warnings }, deps);
}

function neverRead(id: string, why: AppError | null): AppError {
  if (why !== null) return why;
  return new AppError("network", `Cannot read "${id}" offline: nothing of it was read before`, {
    hint: "read it once with the network, or give a file on disk",
  });
}

interface Found {
  readonly id: string;
  readonly sha: string;
  readonly listing: Listing;
  readonly fetchedAt: string | null;
  readonly warnings: readonly string[];
}

function repoAt({ id, sha, listing, fetchedAt, warnings }: Found, deps: RepoDeps): Repo {
  const { cache, client } = deps;
  const sizes = new Map(listing.files.map((file) => [file.path, file.size]));
  const shared = findSnapshot(deps.sharedCacheDir, id, sha)?.folder ?? null;

  /** Another program's copy of a file, when it is whole. */
  function localCopy(path: string): string | null {
    const local = shared === null ? null : join(shared, path);
    return local !== null && sizeOf(local) === sizes.get(path) ? local : null;
  }

  const lend: LendSource = (path, use) => {
    const size = sizes.get(path);
    if (size === undefined) throw new AppError("not_found", `Cannot read "${id}/${path}": there is no such file`);
    const local = localCopy(path);
    if (local !== null) return withFile(local, (source) => use({ ...source, name: `${id}/${path}` }));
    return use(remoteSource({ path, size }));
  };

  function remoteSource(file: HubFile): ByteSource {
    if (client === null) throw notRead(id, file.path);
    return client.source(id, sha, file);
  }

  return {
    id,
    sha,
    files: listing.files,
    elementsByDtype: listing.elementsByDtype,
    fetchedAt,
    warnings,
    has: (path) => sizes.has(path),
    text: async (path) => {
      const kept = cache.read(id, sha, `files/${path}`);
      if (kept !== null) return kept;
      const local = localCopy(path);
      if (local !== null) return await readTextFile(local);
      if (client === null) throw notRead(id, path);
      const text = await client.text(id, sha, path);
      cache.write(id, sha, `files/${path}`, text);
      return text;
    },
    gguf: async (path) => {
      const name = `headers/${path}.json`;
      const kept = cache.read(id, sha, name);
      const known = kept === null ? null : headerFromJson(kept);
      if (known !== null) return known;
      const model = await readGgufModel(path, lend);
      const json = headerToJson(model);
      if (json !== null) cache.write(id, sha, name, json);
      return model;
    },
    tensors: async (path) => {
      const name = `headers/${path}.json`;
      const kept = keptTable(cache.read(id, sha, name));
      if (kept !== null) return kept;
      const tensors = await lend(path, readSafetensorsHeader);
      const table = tensors.map(({ name: tensor, bytes }) => [tensor, bytes] as const);
      cache.write(id, sha, name, JSON.stringify({ schema: "hwledger.tensors/1", tensors: table }));
      return tensors;
    },
  };
}

function keptTable(text: string | null): readonly TableTensor[] | null {
  if (text === null) return null;
  try {
    return TABLE.parse(JSON.parse(text)).tensors.map(([name, bytes]) => ({ name, bytes }));
  } catch {
    return null;
  }
}

function notRead(id: string, path: string): AppError {
  return new AppError("network", `Cannot read "${id}/${path}" offline: it was not read before`, {
    hint: "read it once with the network",
  });
}

function keptListing(cache: HubCache, id: string, sha: string): Listing | null {
  const text = cache.read(id, sha, "repo.json");
  if (text === null) return null;
  try {
    const { files, elements_by_dtype } = LISTING.parse(JSON.parse(text));
    return { files, elementsByDtype: elements_by_dtype };
  } catch {
    return null;
  }
}

function keepListing(cache: HubCache, id: string, sha: string, { files, elementsByDtype }: Listing): void {
  const kept = { schema: "hwledger.repo/1", elements_by_dtype: elementsByDtype, files };
  cache.write(id, sha, "repo.json", JSON.stringify(kept));
}
