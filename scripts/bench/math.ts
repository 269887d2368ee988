/**
 * One plan of a typed 128-layer model on two GPUs: options resolved, totals by part and device, arrays by layer. 20 batches
 * of 10 plans after 3 to warm up, of which each differs from the one before in what the row names; the median and 95th percentile of the
 * batches, divided by 10. The same loop in Bun and in headless Chromium. Goals: 50 µs in Bun, 100 µs in Chromium.
 */
import { join } from "node:path";
import { chromium } from "playwright-core";
import { chromiumArgs, findChromium } from "../../tests/requires.ts";
import type { Row } from "../bench.ts";
import { type MathTime, measureMath } from "../bench-lib/math-loop.ts";

export const name = "math";

async function inChromium(): Promise<{ readonly where: string; readonly times: readonly MathTime[] }> {
  const executablePath = findChromium();
  if (executablePath === null) throw new Error("no Chromium, Chrome or Edge found (set CHROMIUM_PATH)");
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, "..", "bench-lib", "math-loop.ts")],
    target: "browser",
    format: "esm",
    minify: true,
  });
  const code = await built.outputs[0]?.text();
  if (code === undefined) throw new Error("the loop did not bundle");
  const browser = await chromium.launch({ executablePath, args: chromiumArgs() });
  try {
    const page = await browser.newPage();
    const times = await page.evaluate(async (source) => {
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      const { measureMath: measure } = await import(url);
      return measure(() => performance.now()) as readonly MathTime[];
    }, code);
    return { where: `Chromium ${browser.version().split(".")[0]}`, times };
  } finally {
    await browser.close();
  }
}

export async function run(): Promise<readonly Row[]> {
  const here = { where: `Bun ${Bun.version}`, times: measureMath(() => performance.now()) };
  return [here, await inChromium()].flatMap(({ where, times }) =>
    times.map(({ model, move, medianUs, p95Us }) => ({ where, model, move, medianUs, p95Us })),
  );
}
