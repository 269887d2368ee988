/**
 * Makes the one-file program: dist/hwledger for this machine, or with --target ID / --all dist/hwledger-<id>[.exe].
 * Inside: code, public/ with the built assets, the ledger's SQL where there is any, and llama.cpp's native part.
 * Without autoloading: by default a compiled program runs what a bunfig.toml of the folder it is started in names.
 */
import { existsSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { buildAssets } from "./assets.ts";
import { hostTarget, TARGETS, type Target } from "./compile/targets.ts";
import { packEngine } from "./pack-engine.ts";

const ROOT = resolve(import.meta.dir, "..");
const DIST = join(ROOT, "dist");

export interface Compiled {
  readonly path: string;
  readonly bytes: number;
  /** Bytes of the packed native part; null when the program has none. */
  readonly engineBytes: number | null;
}

/** An asset folder lies in the program under its last name alone, beside the code: public/, sql/, linux-x64/. */
function assetFolders(engineFolder: string | null): string[] {
  const folders = ["public", "src/ledger/sql"].filter((folder) => existsSync(join(ROOT, folder)));
  return [...folders.map((folder) => join(ROOT, folder)), ...(engineFolder === null ? [] : [engineFolder])];
}

/** @throws {AggregateError} when the code does not bundle */
export async function compile(target: Target, outfile: string): Promise<Compiled> {
  const engineFolder = target.engine === null ? null : join(DIST, "engine", target.engine);
  const engine = target.engine === null || engineFolder === null ? null : await packEngine(target.engine, engineFolder);
  await mkdir(dirname(outfile), { recursive: true });
  await Bun.build({
    entrypoints: [join(ROOT, "src/cli/main.ts")],
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    compile: {
      outfile,
      target: target.bun,
      assets: assetFolders(engine === null ? null : engineFolder),
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
  });
  const path = existsSync(outfile) ? outfile : `${outfile}.exe`;
  return { path, bytes: (await stat(path)).size, engineBytes: engine?.bytes ?? null };
}

function wantedTargets(args: readonly string[]): readonly { target: Target; outfile: string }[] {
  const named = (target: Target) => ({ target, outfile: join(DIST, `hwledger-${target.id}`) });
  if (args.includes("--all")) return TARGETS.map(named);
  const at = args.indexOf("--target");
  if (at >= 0) {
    const target = TARGETS.find((one) => one.id === args[at + 1]);
    if (target !== undefined) return [named(target)];
    fail(`Cannot compile for "${args[at + 1] ?? ""}": no such target`, `one of ${TARGETS.map((t) => t.id).join(", ")}`);
  }
  const host = hostTarget();
  if (host === null)
    fail(`Cannot compile for ${process.platform} ${process.arch}: not a target`, "name one by --target");
  return [{ target: host, outfile: join(DIST, "hwledger") }];
}

function fail(sentence: string, hint: string): never {
  console.error(`${sentence}\nhint: ${hint}`);
  process.exit(2);
}

if (import.meta.main) {
  await buildAssets();
  let failures = 0;
  for (const { target, outfile } of wantedTargets(process.argv.slice(2))) {
    try {
      const { path, bytes, engineBytes } = await compile(target, outfile);
      const engine =
        engineBytes !== null
          ? `llama.cpp inside, ${(engineBytes / 1e6).toFixed(1)} MB`
          : target.engine === null
            ? "without llama.cpp: none is built for this system"
            : `without llama.cpp: @node-llama-cpp/${target.engine} is not installed here`;
      console.log(`${path.replace(`${ROOT}/`, "")}  ${(bytes / 1e6).toFixed(1)} MB  (${engine})`);
    } catch (error) {
      failures++;
      const parts = error instanceof AggregateError ? error.errors : [error];
      console.error(`${target.id}: ${parts.map(String).join("\n")}`);
    }
  }
  process.exit(failures === 0 ? 0 : 1);
}
