/** Listening, being found, and stopping. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "../errors.ts";

export const DEFAULT_PORT = 8477;
/** How many ports are tried from the default one on. */
const TRIES = 20;

/**
 * Binds to `port`, or to the first free one from 8477 on when nobody named one.
 * @returns the port
 * @throws {AppError} io, when a named port is taken or none is free
 */
export function listenOn(port: number | null, bind: (port: number) => number): number {
  if (port !== null) return tryPort(port, bind) ?? taken(`port ${port} is`);
  for (let i = 0; i < TRIES; i++) {
    const bound = tryPort(DEFAULT_PORT + i, bind);
    if (bound !== null) return bound;
  }
  return taken(`ports ${DEFAULT_PORT} to ${DEFAULT_PORT + TRIES - 1} are`);
}

function tryPort(port: number, bind: (port: number) => number): number | null {
  try {
    return bind(port);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "EADDRINUSE" || error.code === "EACCES"))
      return null;
    throw error;
  }
}

function taken(what: string): never {
  throw new AppError("io", `Cannot serve the page: ${what} in use by another program, or not allowed`, {
    hint: "give another with --port, or --port 0 for any free one",
  });
}

/** An IPv6 address stands in brackets. @source RFC 3986, 3.2.2 */
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}/`;
}

export interface RuntimeFacts {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly version: string;
}

/**
 * runtime.json in the data folder, readable by its owner alone: how other programs of this user find the page. A folder
 * that cannot be written leaves the page unfound, and working.
 * @returns takes it away again
 */
export function writeRuntime(folder: string, facts: RuntimeFacts): () => void {
  const path = join(folder, "runtime.json");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // The mode counts for new files alone.
    rmSync(path, { force: true });
    writeFileSync(path, `${JSON.stringify(facts)}\n`, { mode: 0o600 });
  } catch {
    return () => undefined;
  }
  return () => rmSync(path, { force: true });
}

const OPENERS: Readonly<Record<string, readonly string[]>> = {
  darwin: ["open"],
  win32: ["cmd", "/c", "start", ""],
  linux: ["xdg-open"],
};

/** Opens the page once; a machine without a browser (or a screen) is no error. */
export function openInBrowser(url: string, platform: string): void {
  const [program, ...args] = OPENERS[platform] ?? [];
  if (program === undefined || Bun.which(program) === null) return;
  Bun.spawn([program, ...args, url], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }).unref();
}

/** Resolves with the first signal to stop. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
  });
}

/** The page is for this machine alone: there is no log-in. @throws {AppError} usage */
export function loopback(host: string): string {
  if (["127.0.0.1", "::1", "localhost"].includes(host)) return host;
  throw new AppError(
    "usage",
    `Cannot serve the page on "${host}": it has no log-in, so it answers to this machine alone`,
    {
      hint: "leave --host out, and reach it from elsewhere through ssh -L 8477:127.0.0.1:8477",
    },
  );
}
