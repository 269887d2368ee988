/**
 * Steps of a slider on the Plan page, as the compiled program serves it, in headless Chromium without a GPU, 1440 x 900: a
 * model of 128 layers (sliding and full attention in turn, experts) on two GPUs, 240 steps, one a frame. main thread: its
 * tasks from one step to the next (script, style, layout, paint, canvas, garbage), from Chromium's trace, which itself takes
 * some of the time. processor: the same without the time that other programs took. script: of it JavaScript. frame: between
 * two animation frames. "at the curve": the page scrolled to it. Then the work of coming to rest (tables, words, address),
 * once in 20. Goals: main thread 10 ms at the median and 16 ms at the 95th percentile, frames 16.7 ms.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { chromiumArgs, findChromium } from "../../tests/requires.ts";
import type { Row } from "../bench.ts";
import { MIXED_CONFIG } from "../bench-lib/mixed-model.ts";
import { traceSteps } from "../bench-lib/page-trace.ts";
import { binary, milliseconds, quantile, withHome } from "../bench-lib/program.ts";
import { addressOf } from "../check/smoke.ts";

export const name = "slider";

const STEPS = 240;
const WARM_UP = 60;
const RESTS = 20;

const MARK = "slider step";

/** Runs in the page: moves the slider once a frame, up and down. @returns times between frames */
async function moveSlider([field, steps, mark]: readonly [string, number, string]): Promise<readonly number[]> {
  const range = document.getElementById(`r-${field}`);
  if (!(range instanceof HTMLInputElement)) throw new Error(`no slider ${field}`);
  const last = Number(range.max);
  const frame = (): Promise<number> => new Promise((done) => requestAnimationFrame(done));
  const frames: number[] = [];
  let before = await frame();
  for (let i = 0; i < steps; i++) {
    performance.mark(mark);
    const place = i % (2 * last);
    range.value = String(place <= last ? place : 2 * last - place);
    range.dispatchEvent(new Event("input", { bubbles: true }));
    const time = await frame();
    frames.push(time - before);
    before = time;
  }
  performance.mark(mark);
  return frames;
}

/** Runs in the page: one step, then what follows when the hand rests; the longest task of that time is it. */
async function comeToRest(rests: number): Promise<readonly number[]> {
  const range = document.getElementById("r-context");
  if (!(range instanceof HTMLInputElement)) throw new Error("no slider");
  const times: number[] = [];
  const own = window.setTimeout.bind(window);
  for (let i = 0; i < rests; i++) {
    const work: number[] = [];
    window.setTimeout = ((callback: () => void, ms: number) =>
      own(() => {
        const from = performance.now();
        callback();
        work.push(performance.now() - from);
      }, ms)) as typeof window.setTimeout;
    range.value = String(10 + (i % 5));
    range.dispatchEvent(new Event("input", { bubbles: true }));
    window.setTimeout = own as typeof window.setTimeout;
    await new Promise((done) => own(done, 400));
    times.push(Math.max(0, ...work));
  }
  return times;
}

function row(what: string, times: readonly number[]): Row {
  return {
    what,
    times: times.length,
    medianMs: milliseconds(quantile(times, 0.5)),
    p95Ms: milliseconds(quantile(times, 0.95)),
  };
}

async function measure(browser: Browser, page: Page, url: string): Promise<readonly Row[]> {
  await page.goto(url, { waitUntil: "networkidle" });
  const rows: Row[] = [];
  const move = async (field: string, label: string): Promise<void> => {
    await page.evaluate(moveSlider, [field, WARM_UP, MARK] as const);
    const { times, answer } = await traceSteps(browser, page, MARK, () =>
      page.evaluate(moveSlider, [field, STEPS, MARK] as const),
    );
    rows.push(row(`${label}: main thread`, times.main), row(`${label}: processor`, times.processor));
    rows.push(row(`${label}: script`, times.script));
    rows.push(row(`${label}: frame`, answer));
  };
  for (const field of ["context", "sequences", "gpu_layers"]) await move(field, field);
  await page.locator("#curve").scrollIntoViewIfNeeded();
  for (const field of ["context", "gpu_layers"]) await move(field, `${field}, at the curve`);
  rows.push(row("at rest", await page.evaluate(comeToRest, RESTS)));
  return rows;
}

export async function run(): Promise<readonly Row[]> {
  const executablePath = findChromium();
  if (executablePath === null) throw new Error("no Chromium, Chrome or Edge found (set CHROMIUM_PATH)");
  const program = await binary();
  return await withHome(async (env, folder) => {
    const model = join(folder, "model-128");
    await mkdir(model);
    await writeFile(join(model, "config.json"), JSON.stringify(MIXED_CONFIG));
    const child = Bun.spawn([program, "serve", "--port", "0", "--no-open"], {
      env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const browser = await chromium.launch({ executablePath, args: chromiumArgs() });
    try {
      const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
      const query = new URLSearchParams({ model, device: "2x 80GiB", weights: "MXFP4_MOE" });
      return await measure(browser, page, `${await addressOf(child)}/plan?${query}`);
    } finally {
      await browser.close();
      child.kill("SIGKILL");
      await child.exited;
    }
  });
}
