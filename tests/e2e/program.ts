/** The compiled program, a small hub and a browser, for tests from end to end. */
import { expect } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { buildAssets } from "../../scripts/assets.ts";
import { addressOf } from "../../scripts/check/smoke.ts";
import { hostTarget } from "../../scripts/compile/targets.ts";
import { compile } from "../../scripts/compile.ts";
import { readyModels } from "../fakes/hub-models.ts";
import { type FakeHub, startHub } from "../fakes/hub-server.ts";
import { chromiumArgs, findChromium } from "../requires.ts";

export interface Program {
  readonly url: string;
  readonly hub: FakeHub;
  readonly browser: Browser;
  /** `hwledger ARGS`, in the same surroundings as the page. */
  readonly run: (...args: string[]) => string;
  readonly kill: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export async function startProgram(): Promise<Program> {
  const home = mkdtempSync(join(tmpdir(), "hwledger-e2e-"));
  const target = hostTarget();
  const path = findChromium();
  if (target === null || path === null) throw new Error("this machine has no browser, or is no target");
  await buildAssets();
  const { path: program } = await compile(target, join(home, "hwledger"));
  const hub = await startHub(readyModels());
  const empty = join(home, "empty");
  mkdirSync(empty);
  const env = {
    ...process.env,
    HOME: home,
    HWLEDGER_HOME: join(home, "data"),
    HF_HOME: join(home, "hf"),
    HF_ENDPOINT: hub.url,
    HF_TOKEN: "",
  };
  const child = Bun.spawn([program, "serve", "--port", "0", "--no-open"], {
    cwd: empty,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [url, browser] = await Promise.all([
    addressOf(child),
    chromium.launch({ executablePath: path, args: chromiumArgs() }),
  ]);
  const kill = async (): Promise<void> => {
    child.kill();
    await child.exited;
  };
  return {
    url,
    hub,
    browser,
    run(...args) {
      const { stdout, stderr } = Bun.spawnSync([program, ...args], { cwd: empty, env });
      return stdout.toString() + stderr.toString();
    },
    kill,
    async stop() {
      await browser.close();
      await kill();
      await hub.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Runs `work` on a fresh page and fails on any complaint that `allowed` does not match. */
export async function visit(
  { browser, url }: Pick<Program, "browser" | "url">,
  options: BrowserContextOptions,
  work: (page: Page) => Promise<void>,
  allowed: RegExp | null = null,
): Promise<void> {
  const context = await browser.newContext({ baseURL: url, viewport: { width: 1440, height: 900 }, ...options });
  const complaints: string[] = [];
  try {
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await work(page);
    expect(complaints.filter((text) => allowed === null || !allowed.test(text))).toEqual([]);
  } finally {
    await context.close();
  }
}

/** Waits until the page has come to rest after the last input: tables, words and address are up to date. */
export async function atRest(page: Page): Promise<void> {
  await page.waitForFunction(() => document.documentElement.dataset.rest === "true");
}
