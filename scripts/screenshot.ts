/**
 * Takes docs/images/plan.png for the README: the Plan page of the example model as the program from source serves it, in a
 * light window of 1440 by 1000, at twice the pixels. Needs a browser (CHROMIUM_PATH, or the usual places).
 */
import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { chromium } from "playwright-core";
import { chromiumArgs, findChromium } from "../tests/requires.ts";
import { buildAssets } from "./assets.ts";
import { withHome } from "./bench-lib/program.ts";
import { addressOf } from "./check/smoke.ts";

const ROOT = resolve(import.meta.dir, "..");
const OUT = join(ROOT, "docs", "images", "plan.png");
const QUERY = process.argv[2] ?? "model=example:gpt-oss-20b&device=rtx-4090&context=65536";

const executablePath = findChromium();
if (executablePath === null)
  throw new Error("Cannot take the picture: no Chromium, Chrome or Edge (set CHROMIUM_PATH)");
await buildAssets();
await withHome(async (env) => {
  const child = Bun.spawn([process.execPath, join(ROOT, "src/cli/main.ts"), "serve", "--port", "0", "--no-open"], {
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const browser = await chromium.launch({ executablePath, args: chromiumArgs() });
  try {
    const page = await browser.newPage({
      viewport: { width: 1440, height: 1000 },
      deviceScaleFactor: 2,
      colorScheme: "light",
    });
    await page.goto(`${await addressOf(child)}/plan?${QUERY}`, { waitUntil: "networkidle" });
    await mkdir(dirname(OUT), { recursive: true });
    await page.screenshot({ path: OUT, animations: "disabled" });
  } finally {
    await browser.close();
    child.kill("SIGTERM");
    await child.exited;
  }
});
console.log(`${OUT.replace(`${ROOT}/`, "")}  ${Bun.file(OUT).size} bytes`);
process.exit(0);
