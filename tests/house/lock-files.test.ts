/** Two installers, one set of packages: what npm's lock file says, Bun's says too, and neither names a host. */
import { describe, expect, test } from "bun:test";
import { join, resolve } from "node:path";
import * as z from "zod";

const ROOT = resolve(import.meta.dir, "../..");
const versions = z.record(z.string(), z.string());
const manifestSchema = z.object({
  dependencies: versions,
  optionalDependencies: versions,
  devDependencies: versions,
});
const npmSchema = z.object({
  packages: z.record(z.string(), z.object({ name: z.string().optional(), version: z.string().optional() })),
});
const bunSchema = z.object({ packages: z.record(z.string(), z.tuple([z.string()], z.unknown())) });

const FOLDER = "node_modules/";
const manifest = manifestSchema.parse(await Bun.file(join(ROOT, "package.json")).json());
const npmText = await Bun.file(join(ROOT, "package-lock.json")).text();
const bunText = await Bun.file(join(ROOT, "bun.lock")).text();

/** "name@version" of every package, nested copies too, each once. */
function npmPackages(): string[] {
  const { packages } = npmSchema.parse(JSON.parse(npmText));
  const found = Object.entries(packages)
    .filter(([path]) => path !== "")
    // An alias has the name of what is really installed there.
    .map(([path, { name, version }]) => `${name ?? path.slice(path.lastIndexOf(FOLDER) + FOLDER.length)}@${version}`);
  return [...new Set(found)].sort();
}

function bunPackages(): string[] {
  const { packages } = bunSchema.parse(Bun.JSONC.parse(bunText));
  return [...new Set(Object.values(packages).map(([resolved]) => resolved))].sort();
}

describe("lock files", () => {
  test("npm and Bun install the same packages in the same versions", () => {
    expect(bunPackages()).toEqual(npmPackages());
  });

  test("every direct dependency is pinned, and locked as package.json says", () => {
    const direct = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies };
    const locked = new Set(npmPackages());
    const wrong = Object.entries(direct).filter(([name, version]) => !locked.has(`${name}@${version}`));
    expect(wrong).toEqual([]);
  });

  test("no lock file names the host it was made at", () => {
    expect(npmText).not.toContain('"resolved"');
    expect(bunText).not.toContain("://");
  });

  test("no back-end of a graphics card is installed before anybody asks for it", () => {
    const gpu = npmPackages().filter((name) => /cuda|vulkan/.test(name));
    expect(gpu).toEqual([]);
  });
});
