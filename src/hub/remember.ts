/** Keeps opened models in memory: a page that moves a slider, or a file of a thousand requests, opens each model once. */
import { statSync } from "node:fs";
import type { OpenedModel } from "./open.ts";

export interface RememberOptions {
  /** How long an answer of the hub is taken for the newest. */
  readonly keepMs: number;
  /** The most models kept; the one that was not used for the longest goes first. */
  readonly most: number;
  /** Milliseconds, from any start. */
  readonly clock: () => number;
}

interface Kept {
  readonly model: Promise<OpenedModel>;
  readonly since: number;
}

export type OpenByName = (model: string) => Promise<OpenedModel>;

/** Who asks while a model is being opened gets the same answer; a failure is not kept. */
export function rememberOpened(open: OpenByName, { keepMs, most, clock }: RememberOptions): OpenByName {
  const kept = new Map<string, Kept>();
  return async (name) => {
    const known = kept.get(name);
    if (known !== undefined) {
      kept.delete(name);
      if (clock() - known.since < keepMs && (await isSame(known.model))) {
        kept.set(name, known);
        return known.model;
      }
    }
    const model = open(name);
    const entry = { model, since: clock() };
    kept.set(name, entry);
    for (const oldest of kept.keys()) {
      if (kept.size <= most) break;
      kept.delete(oldest);
    }
    try {
      const opened = await model;
      fingerprints.set(opened, fingerprintOf(opened));
      return opened;
    } catch (error) {
      if (kept.get(name) === entry) kept.delete(name);
      throw error;
    }
  };
}

const fingerprints = new WeakMap<OpenedModel, string>();

/** Whether the files on disk are still those that were read. */
async function isSame(model: Promise<OpenedModel>): Promise<boolean> {
  const opened = await model;
  const was = fingerprints.get(opened);
  return was === undefined || was === fingerprintOf(opened);
}

function fingerprintOf({ source, id, chosen }: OpenedModel): string {
  if (source === "hub") return "";
  const paths = source === "folder" ? [`${id}/config.json`, ...(chosen?.paths ?? [])] : (chosen?.paths ?? []);
  return paths
    .map((path) => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return `${path} ${stat?.size} ${stat?.mtimeMs}`;
    })
    .join("\n");
}
