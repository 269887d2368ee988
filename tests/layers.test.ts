/**
 * Who may import whom in src/, as a table. Type-only imports count: a type is a dependency of thought.
 * Biome says the same at the line (biome.json); this walk also sees packages, dynamic imports, and rules gone stale.
 */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const SRC = resolve(import.meta.dir, "../src");

interface Rule {
  /** Folder or file below src/. */
  readonly from: string;
  /** What it must not import: folders or files below src/, or packages ("npm" = any package, "runtime" = node: and bun:). */
  readonly never: readonly string[];
  /** Exceptions, each "file → imported", that must still exist. */
  readonly but?: readonly string[];
  readonly why: string;
}

const NEIGHBOURS = ["hub", "hardware", "engines", "ledger", "peers"] as const;
/** Has no file yet; the rules wait for the first. */
const PLANNED = ["ledger", "peers"] as const;
const TOP = ["web", "cli", "server.ts", "config.ts"] as const;

const RULES: readonly Rule[] = [
  {
    from: "math",
    never: [...NEIGHBOURS, ...TOP, "npm", "runtime"],
    why: "the mathematics is pure: the browser runs the same files, and every answer can be computed twice",
  },
  ...NEIGHBOURS.map((from) => ({
    from,
    never: [...NEIGHBOURS.filter((other) => other !== from), ...TOP],
    why: "neighbours meet in server.ts and cli/main.ts, which hand one's functions to the other",
  })),
  { from: "errors.ts", never: [...NEIGHBOURS, ...TOP, "math", "npm", "runtime"], why: "everything imports it" },
  { from: "web", never: ["cli", "server.ts", "config.ts"], why: "pages take what they need as arguments" },
  { from: "cli", never: ["web"], why: "the command line prints; `serve` loads server.ts alone" },
];

/** What runs in the browser: islands and all they reach. */
const BROWSER_NEVER = ["zod", "elysia", "runtime", ...NEIGHBOURS, "cli", "server.ts", "config.ts"];

interface Import {
  readonly from: string;
  /** A path below src/, or the specifier of a package. */
  readonly to: string;
  readonly typeOnly: boolean;
}

const STATEMENT = /(?:^|[\n;])\s*(?:import|export)\s+(type\s+)?(?:[^"';]*?\s+from\s+)?["']([^"']+)["']/g;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']/g;

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/[^\n]*/g, "$1");
}

function importsOf(file: string, source: string): Import[] {
  const code = withoutComments(source);
  const found = [
    ...[...code.matchAll(STATEMENT)].map((m) => ({ specifier: m[2] ?? "", typeOnly: m[1] !== undefined })),
    ...[...code.matchAll(DYNAMIC)].map((m) => ({ specifier: m[1] ?? "", typeOnly: false })),
  ];
  return found.map(({ specifier, typeOnly }) => ({
    from: file,
    to: specifier.startsWith(".") ? join(dirname(file), specifier).replaceAll("\\", "/") : specifier,
    typeOnly,
  }));
}

const isRuntime = (to: string) => to === "bun" || to.startsWith("bun:") || to.startsWith("node:");
const isOwn = (to: string) => existsSync(join(SRC, to));

function matches(to: string, name: string): boolean {
  if (name === "runtime") return isRuntime(to);
  if (name === "npm") return !isRuntime(to) && !isOwn(to);
  return to === name || to.startsWith(`${name}/`);
}

const files = [...new Bun.Glob("**/*.ts").scanSync({ cwd: SRC })].map((path) => path.replaceAll("\\", "/")).sort();
const isThere = (name: string) => files.some((file) => matches(file, name));
const imports = (
  await Promise.all(files.map(async (file) => importsOf(file, await Bun.file(join(SRC, file)).text())))
).flat();

describe("layers", () => {
  test("the walk reads every form of import", () => {
    const source = [
      'import type { A } from "./a.ts";',
      'import { b, type C } from "../b/c.ts";',
      "import {",
      "  d,",
      '} from "zod";',
      'import "node:fs";',
      'export { e } from "./e.ts";',
      '// import { no } from "./no.ts";',
      'const f = await import("./f.ts");',
    ].join("\n");
    expect(importsOf("x/y.ts", source)).toEqual([
      { from: "x/y.ts", to: "x/a.ts", typeOnly: true },
      { from: "x/y.ts", to: "b/c.ts", typeOnly: false },
      { from: "x/y.ts", to: "zod", typeOnly: false },
      { from: "x/y.ts", to: "node:fs", typeOnly: false },
      { from: "x/y.ts", to: "x/e.ts", typeOnly: false },
      { from: "x/y.ts", to: "x/f.ts", typeOnly: false },
    ]);
  });

  for (const { from, never, but = [], why } of RULES) {
    const own = imports.filter((one) => matches(one.from, from));
    test(`${from} never imports ${never.join(", ")}: ${why}`, () => {
      const broken = own
        .filter((one) => never.some((name) => matches(one.to, name)))
        .map((one) => `${one.from} → ${one.to}`);
      expect(broken.filter((one) => !but.includes(one))).toEqual([]);
      // An exception nobody needs any more would let the next breach in.
      expect(but.filter((one) => !broken.includes(one))).toEqual([]);
    });
  }

  test("no rule speaks of a folder that is not there, but for those to come", () => {
    const spoken = new Set([...RULES.flatMap((rule) => [rule.from, ...rule.never]), ...PLANNED]);
    const absent = [...spoken].filter((name) => name !== "npm" && name !== "runtime" && !isThere(name));
    expect(absent.sort()).toEqual([...PLANNED]);
  });

  test("what runs in the browser reaches no server code and no zod", () => {
    const seen = new Set<string>();
    const queue = files.filter((file) => file.startsWith("web/") && file.endsWith("/island.ts"));
    const broken: string[] = [];
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      for (const one of imports) {
        if (one.from !== file || one.typeOnly) continue;
        if (BROWSER_NEVER.some((name) => matches(one.to, name))) broken.push(`${one.from} → ${one.to}`);
        else if (isOwn(one.to)) queue.push(one.to);
      }
    }
    expect(broken).toEqual([]);
  });

  test("no file imports itself through others", () => {
    const next = new Map<string, string[]>();
    for (const { from, to, typeOnly } of imports)
      if (!typeOnly && isOwn(to)) next.set(from, [...(next.get(from) ?? []), to]);
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" → "));
      if (done.has(file) || path.includes(file)) return;
      for (const to of next.get(file) ?? []) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });
});
