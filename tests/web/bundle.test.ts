import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bundleIsland } from "../../scripts/assets.ts";

const ROOT = join(import.meta.dir, "../..");
/** kB = 1,000 bytes: everything the Plan page runs, compressed. */
const MOST_BYTES = 120_000;
/** llama.cpp's step is laid out operation by operation, for every family: what runs on it takes a quarter more. */
const MOST_BYTES_LLAMA_CPP = 150_000;
const ON_LLAMA_CPP = /runtime\/(?:llama-cpp|ik-llama-cpp|node-llama-cpp|ollama|lmstudio)\/index\.ts$/;

let inputs: readonly string[] = [];
/** By engine: bytes of the scripts that are loaded for it, compressed. */
const engines = new Map<string, number>();

beforeAll(async () => {
  const built = await bundleIsland("src/web/plan/island.ts");
  inputs = Object.keys(built.metafile?.inputs ?? {});
  const outputs = built.metafile?.outputs ?? {};
  const sizes = new Map<string, number>();
  for (const output of built.outputs)
    sizes.set(output.path, gzipSync(new Uint8Array(await output.arrayBuffer())).length);
  const reach = (path: string, found = new Set<string>()): Set<string> => {
    if (found.has(path)) return found;
    found.add(path);
    for (const { path: next, kind } of outputs[path]?.imports ?? [])
      if (kind === "import-statement") reach(next, found);
    return found;
  };
  const [entry = ""] = Object.keys(outputs).filter((path) => outputs[path]?.entryPoint?.endsWith("island.ts"));
  for (const { path, kind } of outputs[entry]?.imports ?? []) {
    if (kind !== "dynamic-import") continue;
    let bytes = 0;
    for (const script of new Set([...reach(entry), ...reach(path)])) bytes += sizes.get(script) ?? Number.NaN;
    engines.set(outputs[path]?.entryPoint ?? path, bytes);
  }
});

describe("the Plan page's script", () => {
  test("holds the planner, and neither an architecture nor what stands at the doors", () => {
    expect(inputs.some((path) => path.endsWith("src/math/plan.ts"))).toBe(true);
    const forbidden = inputs.filter((path) =>
      /node_modules\/zod|src\/math\/arch\/(?!families|roles)|src\/(hub|hardware|engines|cli|server|config)/.test(path),
    );
    expect(forbidden).toEqual([]);
  });

  test("with htmx and any one engine it stays under 120 kB compressed, llama.cpp under 150", async () => {
    const others = ["htmx.min.js", "ext/hx-alpine-compat.min.js"].map((name) =>
      join(ROOT, "node_modules/htmx.org/dist", name),
    );
    let htmx = 0;
    for (const path of others) htmx += gzipSync(await Bun.file(path).bytes()).length;
    expect([...engines.keys()].some((path) => path.endsWith("llama-cpp/index.ts"))).toBe(true);
    for (const [path, bytes] of engines) {
      expect(bytes + htmx).toBeGreaterThan(50_000);
      expect(bytes + htmx).toBeLessThan(ON_LLAMA_CPP.test(path) ? MOST_BYTES_LLAMA_CPP : MOST_BYTES);
    }
  });
});
