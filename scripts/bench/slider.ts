/**
 * Steps of a slider on the Plan page in headless Chromium, 1440 x 900: a model of 128 layers (sliding and full attention in
 * turn, experts) on two GPUs, 240 steps, one a frame. script: time in the page's own frame callback. main thread: from that
 * callback's start until the frame's style, layout and paint are done (a message posted in the callback arrives). frame:
 * between two frames. Then the work of coming to rest (tables, words, address), once in 20. Goals: main thread 10 ms at the
 * median and 16 ms at the 95th percentile, frames 16.7 ms.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { chromium, type Page } from "playwright-core";
import { chromiumArgs, findChromium } from "../../tests/requires.ts";
import { buildAssets } from "../assets.ts";
import type { Row } from "../bench.ts";
import { milliseconds, quantile, withHome } from "../bench-lib/program.ts";
import { addressOf } from "../check/smoke.ts";

export const name = "slider";

const STEPS = 240;
const RESTS = 20;
const ROOT = resolve(import.meta.dir, "../..");
const LAYERS = 128;

const CONFIG = {
  model_type: "gpt_oss",
  head_dim: 64,
  hidden_size: 2880,
  intermediate_size: 2880,
  num_hidden_layers: LAYERS,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  num_local_experts: 32,
  num_experts_per_tok: 4,
  sliding_window: 128,
  vocab_size: 201_088,
  max_position_embeddings: 131_072,
  layer_types: Array.from({ length: LAYERS }, (_, i) => (i % 2 === 0 ? "sliding_attention" : "full_attention")),
};

interface Timings {
  readonly script: readonly number[];
  readonly main: readonly number[];
  readonly frame: readonly number[];
}

/** Runs in the page: moves the slider once a frame, up and down. */
async function moveSlider([field, steps]: readonly [string, number]): Promise<Timings> {
  const range = document.getElementById(`r-${field}`);
  if (!(range instanceof HTMLInputElement)) throw new Error(`no slider ${field}`);
  const last = Number(range.max);
  const script: number[] = [];
  const main: number[] = [];
  const frame: number[] = [];
  const channel = new MessageChannel();
  const own = window.requestAnimationFrame.bind(window);
  // The page asks for its frame through this: the callback is timed from outside.
  window.requestAnimationFrame = (callback) =>
    own((time) => {
      const from = performance.now();
      callback(time);
      script.push(performance.now() - from);
      channel.port2.postMessage(from);
    });
  channel.port1.onmessage = (event: MessageEvent<number>) => main.push(performance.now() - event.data);
  let before = 0;
  for (let i = 0; i < steps; i++) {
    const time = await new Promise<number>((done) => own(done));
    if (before > 0) frame.push(time - before);
    before = time;
    const place = i % (2 * last);
    range.value = String(place <= last ? place : 2 * last - place);
    range.dispatchEvent(new Event("input", { bubbles: true }));
  }
  await new Promise((done) => setTimeout(done, 100));
  window.requestAnimationFrame = own;
  return { script, main, frame };
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

async function measure(page: Page, url: string): Promise<readonly Row[]> {
  await page.goto(url, { waitUntil: "networkidle" });
  await page.evaluate(moveSlider, ["context", 60] as const); // warms up
  const rows: Row[] = [];
  for (const field of ["context", "sequences", "gpu_layers"]) {
    const { script, main, frame } = await page.evaluate(moveSlider, [field, STEPS] as const);
    rows.push(row(`${field}: script`, script), row(`${field}: main thread`, main), row(`${field}: frame`, frame));
  }
  rows.push(row("at rest", await page.evaluate(comeToRest, RESTS)));
  return rows;
}

export async function run(): Promise<readonly Row[]> {
  const executablePath = findChromium();
  if (executablePath === null) throw new Error("no Chromium, Chrome or Edge found (set CHROMIUM_PATH)");
  await buildAssets();
  return await withHome(async (env, folder) => {
    const model = join(folder, "model-128");
    await mkdir(model);
    await writeFile(join(model, "config.json"), JSON.stringify(CONFIG));
    const child = Bun.spawn([process.execPath, join(ROOT, "src/cli/main.ts"), "serve", "--port", "0", "--no-open"], {
      env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const browser = await chromium.launch({ executablePath, args: chromiumArgs() });
    try {
      const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
      const query = new URLSearchParams({ model, device: "2x 80GiB", weights: "MXFP4_MOE" });
      return await measure(page, `${await addressOf(child)}/plan?${query}`);
    } finally {
      await browser.close();
      child.kill("SIGKILL");
      await child.exited;
    }
  });
}
