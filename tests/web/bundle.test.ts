import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const ROOT = join(import.meta.dir, "../..");
/** kB = 1,000 bytes: everything the Plan page runs, compressed. */
const MOST_BYTES = 120_000;

let inputs: readonly string[] = [];
let island: Uint8Array = new Uint8Array();

beforeAll(async () => {
  const built = await Bun.build({
    entrypoints: [join(ROOT, "src/web/plan/island.ts")],
    target: "browser",
    format: "esm",
    minify: true,
    metafile: true,
  });
  inputs = Object.keys(built.metafile?.inputs ?? {});
  const [output] = built.outputs;
  if (output !== undefined) island = new Uint8Array(await output.arrayBuffer());
});

describe("the Plan page's script", () => {
  test("holds the planner, and neither an architecture nor what stands at the doors", () => {
    expect(inputs.some((path) => path.endsWith("src/math/plan.ts"))).toBe(true);
    const forbidden = inputs.filter((path) =>
      /node_modules\/zod|src\/math\/arch\/(?!families|roles)|src\/(hub|hardware|engines|cli|server|config)/.test(path),
    );
    expect(forbidden).toEqual([]);
  });

  test("with htmx it stays under 120 kB compressed", async () => {
    const others = ["htmx.min.js", "ext/hx-alpine-compat.min.js"].map((name) =>
      join(ROOT, "node_modules/htmx.org/dist", name),
    );
    let bytes = gzipSync(island).length;
    for (const path of others) bytes += gzipSync(await Bun.file(path).bytes()).length;
    expect(bytes).toBeGreaterThan(50_000);
    expect(bytes).toBeLessThan(MOST_BYTES);
  });
});
