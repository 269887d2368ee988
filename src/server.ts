/** Composition root: settings → what the pages need → routes → listen. The one place that knows everything. */
import { Elysia } from "elysia";
import { planAndAsk } from "./cli/ask-engine.ts";
import { createPlanner, isAuto, type Planner } from "./cli/planner.ts";
import { VERSION } from "./cli/program-version.ts";
import { type Config, readConfig } from "./config.ts";
import { AppError } from "./errors.ts";
import { machineFromText } from "./hardware/machine-from-text.ts";
import { detectMachine } from "./hardware/probe.ts";
import { DEVICE_ROWS } from "./hardware/table.ts";
import { localModels } from "./hub/local.ts";
import { createHubDeps, openModel } from "./hub/open.ts";
import type { Machine } from "./math/machine.ts";
import { assets } from "./web/assets.ts";
import { compareRoutes } from "./web/compare/routes.ts";
import { errorJson, errorPage, statusOf, toAppError } from "./web/errors.ts";
import { refusal, SECURITY_HEADERS } from "./web/guard.ts";
import { keepFor } from "./web/keep-for.ts";
import { listenOn, loopback, openInBrowser, stopSignal, urlOf, writeRuntime } from "./web/listen.ts";
import type { PlanDeps } from "./web/plan/deps.ts";
import { cannotAskExample, EXAMPLE_MODEL, openExample } from "./web/plan/example.ts";
import { planRoutes } from "./web/plan/routes.ts";

/** Beside the code in the one-file program, beside src/ in a checkout. */
export const ASSET_ROOT = import.meta.dir + (Bun.embeddedFiles.length > 0 ? "/public" : "/../public");

const MACHINE_MS = 5_000;
const MODEL_MS = 60_000;
const DISK_MS = 30_000;

export interface AppDeps {
  readonly plan: PlanDeps;
  readonly version: string;
  /** The port pages are asked under. Not known before listening: a function. */
  readonly port: () => number;
  readonly assetRoot: string;
  /** Told of what no one caused. */
  readonly report: (error: unknown) => void;
}

export function createApp(deps: AppDeps) {
  return new Elysia()
    .onRequest(({ request, set }) => {
      Object.assign(set.headers, SECURITY_HEADERS);
      const refused = refusal(request, deps.port());
      if (refused === null) return;
      return new Response(`${refused.reason}\n`, { status: refused.status, headers: SECURITY_HEADERS });
    })
    .onError(({ error, code, request, set }) => {
      const { pathname } = new URL(request.url);
      const known =
        code === "NOT_FOUND"
          ? new AppError("not_found", `There is no page "${pathname.slice(0, 100)}"`)
          : toAppError(error);
      if (known.code === "internal") deps.report(error);
      set.status = statusOf(known);
      if (pathname.startsWith("/api/")) return errorJson(known);
      set.headers["content-type"] = "text/html; charset=utf-8";
      return errorPage(known).toString();
    })
    .use(assets(deps.assetRoot))
    .use(planRoutes(deps.plan, deps.version, deps.report))
    .use(compareRoutes(deps.plan, deps.report));
}

/** The plan page's needs, met by the hub, the hardware and the engines. */
export function planDeps(config: Config): PlanDeps {
  const hub = createHubDeps(config.hub, { cacheDir: config.cacheDir, now: () => new Date().toISOString() });
  const detected = keepFor(MACHINE_MS, 1, async () => (await detectMachine(config)).machine);
  const machine = async (device: string): Promise<Machine> =>
    isAuto(device) ? await detected("") : machineFromText(device);
  const opened = keepFor(MODEL_MS, 32, (model: string) => openModel(model, hub));
  const onDisk = keepFor(DISK_MS, 1, async () =>
    localModels({ sharedCacheDir: config.hub.sharedCacheDir, folders: [] }),
  );
  const planner = (): Planner => createPlanner({ openModel: opened, detectMachine: () => machine("auto") });
  return {
    machine,
    async open(request) {
      if (request.model === EXAMPLE_MODEL) return openExample(request, await machine(request.device));
      const { input, opened: model } = await planner().input(request, false);
      return { input, fetchedAt: model.fetchedAt };
    },
    async ask(request) {
      if (request.model === EXAMPLE_MODEL) throw cannotAskExample();
      return await planAndAsk(planner(), request, false, config);
    },
    async search(text) {
      if (hub.client === null)
        throw new AppError("network", "The hub is not asked: this program runs offline", { hint: null });
      return await hub.client.search(text, 12);
    },
    modelsOnDisk: async () =>
      (await onDisk(""))
        .filter((model) => !model.incomplete)
        .map(({ ref, name, bytes, hubId, path }) => ({ ref, name, bytes, label: hubId ?? path })),
    deviceNames: () => DEVICE_ROWS.map(({ id, name }) => ({ id, name })),
    now: () => new Date(),
  };
}

export interface ServeOptions {
  readonly config: Config;
  /** null: 8477, or the next free one. */
  readonly port: number | null;
  /** null: 127.0.0.1 */
  readonly host: string | null;
  readonly open: boolean;
}

/** Elysia shares a port with whoever has it unless it is told not to. @throws {Error} EADDRINUSE */
export function bind(app: ReturnType<typeof createApp>, hostname: string, port: number): number {
  return app.listen({ port, hostname, idleTimeout: 60, reusePort: false }).server?.port ?? port;
}

/** Serves until it is told to stop. @returns the exit status */
export async function serve({ config, port, host, open }: ServeOptions): Promise<number> {
  const hostname = loopback(host ?? "127.0.0.1");
  let listening = 0;
  const app = createApp({
    plan: planDeps(config),
    version: VERSION,
    port: () => listening,
    assetRoot: ASSET_ROOT,
    report: (error) =>
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`),
  });
  await app.modules;
  listening = listenOn(port, (wanted) => bind(app, hostname, wanted));
  const url = urlOf(hostname, listening);
  const forget = writeRuntime(config.dataDir, { url, port: listening, pid: process.pid, version: VERSION });
  process.stdout.write(`hwLedger ${VERSION} serves ${url}\n`);
  if (open) openInBrowser(url, config.platform);
  await stopSignal();
  forget();
  await Promise.race([app.stop(), Bun.sleep(1_000)]);
  app.server?.stop(true);
  return 0;
}

if (import.meta.main) process.exit(await serve({ config: readConfig(), port: null, host: null, open: true }));
