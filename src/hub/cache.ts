/**
 * What was read of the hub, on disk: `<folder>/hub/<id>/refs.json` (which commit a branch was at, and when) and
 * `<folder>/hub/<id>/<commit>/…`, which never changes. A file appears whole or not at all. When the disk refuses,
 * everything works without the cache, and a warning says so.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";

export interface KnownRef {
  readonly sha: string;
  /** ISO 8601, when the hub said so. */
  readonly fetchedAt: string;
}

export interface HubCache {
  /** Text kept under a name at a commit; null when it is not there. */
  readonly read: (id: string, sha: string, name: string) => string | null;
  readonly write: (id: string, sha: string, name: string, text: string) => void;
  readonly knownRef: (id: string, revision: string) => KnownRef | null;
  readonly rememberRef: (id: string, revision: string, ref: KnownRef) => void;
  /** What went wrong, once each. */
  readonly warnings: () => readonly string[];
}

const REFS = z.object({
  schema: z.literal("hwledger.refs/1"),
  refs: z.record(z.string(), z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/), fetched_at: z.iso.datetime() })),
});

/** @param folder  the program's cache folder; null for no cache at all */
export function createHubCache(folder: string | null): HubCache {
  const warnings: string[] = [];
  let refused = folder === null;

  function pathOf(id: string, ...more: readonly string[]): string | null {
    const segments = [...id.split("/"), ...more.flatMap((part) => part.split("/"))];
    return folder !== null && segments.every(isSafeSegment) ? join(folder, "hub", ...segments) : null;
  }

  function write(path: string | null, text: string): void {
    if (path === null || refused) return;
    const partial = `${path}.${randomUUID()}.partial`;
    try {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(partial, text);
      renameSync(partial, path);
    } catch (error) {
      refused = true;
      removeQuietly(partial);
      const code = String((error as { code?: unknown }).code);
      warnings.push(`Nothing is kept for offline use: the cache in "${folder}" cannot be written (${code})`);
    }
  }

  function readRefs(id: string): z.infer<typeof REFS>["refs"] {
    const text = readTextOrNull(pathOf(id, "refs.json"));
    if (text === null) return {};
    try {
      return REFS.parse(JSON.parse(text)).refs;
    } catch {
      return {}; // A damaged note is no note; the next answer of the hub replaces it.
    }
  }

  return {
    read: (id, sha, name) => readTextOrNull(pathOf(id, sha, name)),
    write: (id, sha, name, text) => write(pathOf(id, sha, name), text),
    knownRef: (id, revision) => {
      const refs = readRefs(id);
      const ref = Object.hasOwn(refs, revision) ? refs[revision] : undefined;
      return ref === undefined ? null : { sha: ref.sha, fetchedAt: ref.fetched_at };
    },
    rememberRef: (id, revision, { sha, fetchedAt }) => {
      const refs = { ...readRefs(id), [revision]: { sha, fetched_at: fetchedAt } };
      write(pathOf(id, "refs.json"), `${JSON.stringify({ schema: "hwledger.refs/1", refs }, null, 1)}\n`);
    },
    warnings: () => warnings,
  };
}

/**
 * A name from outside becomes part of a path only when it cannot lead out of the folder, on any system, and leaves room
 * for the ending of an unfinished file in the 255 bytes that a name may have.
 */
function isSafeSegment(segment: string): boolean {
  return Buffer.byteLength(segment) <= 200 && /^[^\\/:*?"<>|\0]+$/.test(segment) && !/^\.+$/.test(segment);
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It was never made: the failure that is told is the first one.
  }
}

function readTextOrNull(path: string | null): string | null {
  if (path === null) return null;
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null; // Not kept, or not readable: it is asked for again.
  }
}
