import { expect, test } from "bun:test";
import { join, resolve } from "node:path";
import * as z from "zod";
import { hostTarget, TARGETS } from "../../../scripts/compile/targets.ts";

const ROOT = resolve(import.meta.dir, "../../..");

test("every library a program carries is a package that an installer may take", async () => {
  const manifest = z
    .object({ optionalDependencies: z.record(z.string(), z.string()) })
    .parse(await Bun.file(join(ROOT, "package.json")).json());
  const carried = new Set(TARGETS.flatMap(({ engine }) => (engine === null ? [] : [`@node-llama-cpp/${engine}`])));
  expect([...carried].sort()).toEqual(Object.keys(manifest.optionalDependencies).sort());
});

test("the program of this machine is named by system and processor", () => {
  const target = hostTarget();
  expect(target?.id.endsWith(process.arch)).toBe(true);
  expect(target?.bun).toBe(`bun-${target?.id}` as Bun.Build.CompileTarget);
});
