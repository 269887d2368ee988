/**
 * Where llama.cpp's native part is: a folder with llama-addon.node and the libraries it opens beside itself.
 *  - In the one-file program it lies inside as a compressed archive, `nlc*.tar.zst` with `bins/<platform>/…`. Libraries have to be
 *    real files, so it is unpacked once to <data>/engines/nlc-<hash of the archive>/, under another name first and then renamed:
 *    a half-written folder never has the final name, and another archive never shares a folder.
 *  - From a checkout it is npm's package for this platform.
 */
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import * as z from "zod";

export type NativeResult =
  | {
      readonly status: "ok";
      readonly folder: string;
      /** llama.cpp's release, "v0.5.0". */
      readonly version: string;
    }
  | { readonly status: "unavailable"; readonly reason: string; readonly hint: string };

export interface NativeOptions {
  /** Where the program keeps its files. */
  readonly dataFolder: string;
}

/** The CPU's package of node-llama-cpp; on Apple silicon there is only the one with Metal. */
const PACKAGES: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "linux-arm": "linux-armv7l",
  "darwin-x64": "mac-x64",
  "darwin-arm64": "mac-arm64-metal",
  "win32-x64": "win-x64",
  "win32-arm64": "win-arm64",
};

const buildMetadata = z.object({ buildOptions: z.object({ llamaCpp: z.object({ release: z.string() }) }) });

export async function findNative(options: NativeOptions): Promise<NativeResult> {
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  if (name === undefined) {
    return {
      status: "unavailable",
      reason: `llama.cpp is not built for ${platform}`,
      hint: "plan without asking the engine",
    };
  }
  const archive = embeddedArchive();
  try {
    const folder =
      archive === null ? packageFolder(name) : join(await unpackOnce(archive, options.dataFolder), "bins", name);
    const metadata = buildMetadata.parse(JSON.parse(await readFile(join(folder, "_nlcBuildMetadata.json"), "utf8")));
    return { status: "ok", folder, version: metadata.buildOptions.llamaCpp.release };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      status: "unavailable",
      reason: `llama.cpp's native part for ${platform} is not here: ${why}`,
      hint:
        archive === null
          ? `install it with: npm install --no-save @node-llama-cpp/${name}`
          : `see that ${options.dataFolder} can be written`,
    };
  }
}

/** @throws when the package is not installed */
function packageFolder(name: string): string {
  const entry = createRequire(import.meta.url).resolve(`@node-llama-cpp/${name}`);
  return join(dirname(dirname(entry)), "bins", name);
}

function embeddedArchive(): Blob | null {
  return Bun.embeddedFiles.find((file) => /^nlc[^/\\]*\.tar\.zst$/.test(basename(nameOf(file)))) ?? null;
}

/** Embedded files are Blobs with a name, which the type does not say. */
function nameOf(file: Blob): string {
  return "name" in file && typeof file.name === "string" ? file.name : "";
}

/** Unpacks a zstd-compressed tar to <data>/engines/nlc-<hash>, unless it is there. Several processes may do so at once. */
export async function unpackOnce(archive: Blob, dataFolder: string): Promise<string> {
  const compressed = new Uint8Array(await archive.arrayBuffer());
  const hash = new Bun.CryptoHasher("sha256").update(compressed).digest("hex").slice(0, 16);
  const target = join(dataFolder, "engines", `nlc-${hash}`);
  if (existsSync(target)) return target;
  const unfinished = `${target}.${crypto.randomUUID()}.tmp`;
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  try {
    await new Bun.Archive(Bun.zstdDecompressSync(compressed)).extract(unfinished);
    await chmod(unfinished, 0o700);
    await rename(unfinished, target);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another process was quicker: its folder is as good.
    if (!existsSync(target)) throw error;
  }
  return target;
}
