/**
 * Fills public/build/ with what the pages load: one script for each src/web/<page>/island.ts, htmx with the two
 * extensions in use, and app.css. Files whose content is the same are left alone, files of an earlier build go.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "..");
export const BUILD_DIR = join(ROOT, "public", "build");

const COPIED = [
  "node_modules/htmx.org/dist/htmx.min.js",
  "node_modules/htmx.org/dist/ext/hx-sse.min.js",
  "node_modules/htmx.org/dist/ext/hx-alpine-compat.min.js",
] as const;

/** In this order: tokens name the colours that the rest uses. */
const STYLES = [
  "node_modules/uplot/dist/uPlot.min.css",
  "src/web/tokens.css",
  "src/web/app.css",
  "src/web/compare/compare.css",
] as const;

export interface Asset {
  readonly name: string;
  readonly bytes: number;
}

/** src/web/plan/island.ts is served as plan.js. */
function islandName(path: string): string {
  return `${relative("src/web", dirname(path)).replaceAll(/[/\\]/g, "-")}.js`;
}

/** Scripts of the pages hold one engine at a time: the table of all is replaced by one that loads them. */
const oneEngine: Bun.BunPlugin = {
  name: "one engine",
  setup: (build) => {
    const path = join(ROOT, "src/web/plan/one-engine.ts");
    build.onResolve({ filter: /(?:^|\/)runtime\/index\.ts$/ }, () => ({ path }));
  },
};

/** @param entry path of an island.ts from the project's root */
export function bundleIsland(entry: string): Promise<Bun.BuildOutput> {
  return Bun.build({
    entrypoints: [join(ROOT, entry)],
    target: "browser",
    format: "esm",
    minify: true,
    splitting: true,
    metafile: true,
    plugins: [oneEngine],
    naming: { entry: islandName(entry), chunk: `${islandName(entry).slice(0, -3)}-[hash].js` },
  });
}

async function bundleIslands(): Promise<Map<string, Uint8Array>> {
  const entrypoints = [...new Bun.Glob("src/web/**/island.ts").scanSync({ cwd: ROOT })].sort();
  const files = new Map<string, Uint8Array>();
  for (const entry of entrypoints) {
    const built = await bundleIsland(entry);
    for (const output of built.outputs) files.set(basename(output.path), new Uint8Array(await output.arrayBuffer()));
  }
  return files;
}

async function joinStyles(): Promise<Uint8Array> {
  const sheets = await Promise.all(STYLES.map((path) => Bun.file(join(ROOT, path)).text()));
  return new TextEncoder().encode(sheets.map((sheet) => sheet.trimEnd()).join("\n"));
}

async function writeIfChanged(path: string, content: Uint8Array): Promise<void> {
  const file = Bun.file(path);
  if (file.size === content.length && Bun.deepEquals(await file.bytes(), content)) return;
  await Bun.write(path, content);
}

/**
 * Builds everything into `directory`.
 * @returns the files written, by name
 * @throws {AggregateError} when an island does not bundle
 */
export async function buildAssets(directory: string = BUILD_DIR): Promise<Asset[]> {
  const files = await bundleIslands();
  for (const path of COPIED) files.set(basename(path), await Bun.file(join(ROOT, path)).bytes());
  files.set("app.css", await joinStyles());

  await mkdir(directory, { recursive: true });
  for (const [name, content] of files) await writeIfChanged(join(directory, name), content);
  for (const name of await readdir(directory))
    if (!files.has(name)) await rm(join(directory, name), { recursive: true });

  const written = [...files].map(([name, content]) => ({ name, bytes: content.length }));
  return written.sort((a, b) => (a.name < b.name ? -1 : 1));
}

if (import.meta.main) {
  const assets = await buildAssets();
  if (process.argv.includes("--verbose")) for (const { name, bytes } of assets) console.log(`${name}  ${bytes} bytes`);
}
