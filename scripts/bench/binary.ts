/** Size of the one-file program, and of what it carries. */
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { BUILD_DIR } from "../assets.ts";
import type { Row } from "../bench.ts";
import { hostTarget } from "../compile/targets.ts";
import { compile } from "../compile.ts";

export const name = "binary";

const ROOT = resolve(import.meta.dir, "../..");

async function bytesBelow(folder: string): Promise<number> {
  let total = 0;
  for await (const path of new Bun.Glob("**/*").scan({ cwd: folder })) total += (await stat(join(folder, path))).size;
  return total;
}

export async function run(): Promise<readonly Row[]> {
  const target = hostTarget();
  if (target === null) throw new Error(`no program can be compiled for ${process.platform} ${process.arch}`);
  const from = performance.now();
  const { path, bytes, engineBytes } = await compile(target, join(ROOT, "dist", "hwledger"));
  const seconds = (performance.now() - from) / 1000;
  const runtime = Bun.file(process.execPath).size;
  return [
    { what: `dist/hwledger, ${target.id}, made in ${seconds.toFixed(1)} s`, bytes },
    {
      what: `the same, compressed by zstd -19`,
      bytes: Bun.zstdCompressSync(await Bun.file(path).bytes(), { level: 19 }).length,
    },
    { what: "of it Bun", bytes: runtime },
    { what: "of it llama.cpp, packed", bytes: engineBytes },
    { what: "of it what pages load", bytes: await bytesBelow(BUILD_DIR) },
  ];
}
