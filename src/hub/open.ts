/** From MODEL to what the planner needs: the model's geometry, and the files it comes in. Never the weights themselves. */
import { createHubCache } from "./cache.ts";
import { createHubClient } from "./client.ts";
import { createHttp } from "./http.ts";
import { type HubConfig, readToken } from "./hub-config.ts";
import { type ModelRef, parseModelRef } from "./model-ref.ts";
import { openFile, openFolder } from "./open-local.ts";
import { openFromRepo } from "./open-repo.ts";
import type { OpenedModel } from "./opened-model.ts";
import { openRepo, type RepoDeps } from "./repo.ts";

export type { OpenedModel } from "./opened-model.ts";

/** What a process keeps of the hub: one connection's manners, one cache. */
export function createHubDeps(
  config: HubConfig,
  options: { readonly cacheDir: string | null; readonly now: () => string; readonly signal?: AbortSignal },
): RepoDeps {
  const { signal } = options;
  const http = createHttp({
    endpoint: config.endpoint,
    token: config.offline ? null : readToken(config),
    ...(signal === undefined ? {} : { signal }),
  });
  return {
    client: config.offline ? null : createHubClient(config.endpoint, http),
    cache: createHubCache(options.cacheDir),
    sharedCacheDir: config.sharedCacheDir,
    now: options.now,
  };
}

/**
 * @param model  MODEL as a person writes it, or already told apart
 * @throws {AppError} usage, not_found, gated, network, rate_limited, malformed, unsupported, io. An architecture that is
 *   not known is no error: `spec.status` says so, and the files are listed all the same
 */
export async function openModel(model: string | ModelRef, deps: RepoDeps): Promise<OpenedModel> {
  const ref = typeof model === "string" ? parseModelRef(model) : model;
  switch (ref.kind) {
    case "file":
      return openFile(ref.path);
    case "folder":
      return openFolder(ref.path);
    case "hub": {
      const repo = await openRepo(ref.id, ref.revision, deps);
      const opened = await openFromRepo(repo, ref.pick);
      return { ...opened, warnings: [...repo.warnings, ...opened.warnings, ...deps.cache.warnings()] };
    }
    default:
      return ref satisfies never;
  }
}
