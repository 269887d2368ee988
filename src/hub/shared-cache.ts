/**
 * The cache that the hub's own library and most engines share: `models--org--name/{refs/<ref>, snapshots/<commit>/…}`.
 * Only read, never written.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { HubFile } from "./client.ts";
import { statOrNull } from "./look.ts";

const COMMIT = /^[0-9a-f]{40}$/;
/** Folders deeper than that hold no models. */
const MAX_DEPTH = 4;
const MAX_FILES = 20_000;

export interface Snapshot {
  readonly id: string;
  readonly sha: string;
  readonly folder: string;
}

function folderOf(root: string, id: string): string {
  return join(root, `models--${id.replace("/", "--")}`);
}

/** The snapshot of a branch, a tag or a commit; null when it is not there. */
export function findSnapshot(root: string, id: string, revision: string): Snapshot | null {
  const repo = folderOf(root, id);
  const sha = COMMIT.test(revision) ? revision : readRef(repo, revision);
  if (sha === null) return null;
  const folder = join(repo, "snapshots", sha);
  return isFolder(folder) ? { id, sha, folder } : null;
}

function readRef(repo: string, revision: string): string | null {
  try {
    const sha = readFileSync(join(repo, "refs", revision), "utf8").trim();
    return COMMIT.test(sha) ? sha : null;
  } catch {
    return null;
  }
}

/** Each repository's snapshot: the commit of refs/main, else the newest. */
export function listSnapshots(root: string): Snapshot[] {
  const found: Snapshot[] = [];
  for (const entry of entriesOf(root)) {
    if (!entry.startsWith("models--")) continue;
    // The first separator is the organisation's; a name may hold others, and "gpt2" has none.
    const id = entry.slice("models--".length).replace("--", "/");
    const snapshot = findSnapshot(root, id, "main") ?? newestSnapshot(root, id);
    if (snapshot !== null) found.push(snapshot);
  }
  return found;
}

function newestSnapshot(root: string, id: string): Snapshot | null {
  const folder = join(folderOf(root, id), "snapshots");
  const dated = entriesOf(folder)
    .filter((sha) => COMMIT.test(sha))
    .map((sha) => ({ sha, at: statOrNull(join(folder, sha))?.mtimeMs ?? 0 }));
  const [newest] = dated.toSorted((a, b) => b.at - a.at);
  return newest === undefined ? null : { id, sha: newest.sha, folder: join(folder, newest.sha) };
}

/** The files below a folder, with their sizes; links are followed to files (the cache is made of them), not to folders. */
export function filesBelow(folder: string): HubFile[] {
  const files: HubFile[] = [];
  const walk = (below: string, depth: number): void => {
    for (const name of entriesOf(below === "" ? folder : join(folder, below))) {
      if (files.length >= MAX_FILES) return;
      const path = below === "" ? name : `${below}/${name}`;
      const stat = statOrNull(join(folder, path));
      if (stat?.isFile() === true && !/\.incomplete$|\.part(?:ial)?$|\.downloadInProgress$/.test(name)) {
        files.push({ path, size: stat.size });
      } else if (stat?.isDirectory() === true && depth < MAX_DEPTH && !name.startsWith(".")) {
        walk(path, depth + 1);
      }
    }
  };
  walk("", 0);
  return files;
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return []; // Not there, or not ours to read: it holds nothing for us.
  }
}

function isFolder(path: string): boolean {
  return statOrNull(path)?.isDirectory() === true;
}
