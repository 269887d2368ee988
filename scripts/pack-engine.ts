/**
 * Packs the native part of llama.cpp for the one-file program: dist/engine/<target>/nlc-<version>-<platform>.tar.zst
 * with bins/<platform>/… inside. Libraries have to be real files, so the program unpacks the archive once
 * (src/engines/llama-cpp/native.ts). Fourteen builds for as many processors, nearly the same, compress well.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "..");

export interface EnginePack {
  readonly path: string;
  readonly bytes: number;
}

/** 19 is where zstd's own levels end; the "ultra" ones beyond ask 0.3 % less for twice the memory. */
const LEVEL = 19;

function packageFolder(platform: string): string {
  return join(ROOT, "node_modules", "@node-llama-cpp", platform);
}

/**
 * @param platform  as node-llama-cpp names it: linux-x64, mac-arm64-metal, win-x64
 * @param directory holds the archive alone, so that all of it can be embedded
 * @returns null when the package for that platform is not installed here
 */
export async function packEngine(platform: string, directory: string): Promise<EnginePack | null> {
  const bins = join(packageFolder(platform), "bins", platform);
  if (!existsSync(bins)) return null;
  const manifest: unknown = await Bun.file(join(packageFolder(platform), "package.json")).json();
  const path = join(directory, `nlc-${versionOf(manifest)}-${platform}.tar.zst`);
  const entries: Record<string, Uint8Array> = {};
  const hasher = new Bun.CryptoHasher("sha256");
  for (const name of (await readdir(bins)).sort()) {
    const content = await Bun.file(join(bins, name)).bytes();
    entries[`bins/${platform}/${name}`] = content;
    hasher.update(`${name} ${content.length}\n`).update(content);
  }
  // Compressing takes 20 s: the archive of the same libraries stays.
  const hash = hasher.digest("hex");
  const stamp = join(directory, "..", `${platform}.sha256`);
  const same = existsSync(path) && existsSync(stamp) && (await Bun.file(stamp).text()) === hash;
  const tar = same ? null : await new Bun.Archive(entries).bytes();
  if (tar !== null) {
    // Two compilations may run at once: the finished file appears under its name in one step, then earlier versions go.
    const unfinished = join(directory, "..", `${platform}.${process.pid}.tmp`);
    await mkdir(directory, { recursive: true });
    await Bun.write(unfinished, Bun.zstdCompressSync(tar, { level: LEVEL }));
    await rename(unfinished, path);
    await Bun.write(stamp, hash);
    for (const name of await readdir(directory)) if (join(directory, name) !== path) await rm(join(directory, name));
  }
  return { path, bytes: Bun.file(path).size };
}

function versionOf(manifest: unknown): string {
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) return String(manifest.version);
  throw new Error("Cannot pack the engine: its package.json has no version");
}

if (import.meta.main) {
  const platform = process.argv[2] ?? "linux-x64";
  const packed = await packEngine(platform, join(ROOT, "dist", "engine", platform));
  console.log(
    packed === null ? `@node-llama-cpp/${platform} is not installed` : `${packed.path}  ${packed.bytes} bytes`,
  );
}
