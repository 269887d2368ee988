/**
 * Everything that must hold before a change is done: assets, format and lint, types, unused code, tests, and a compiled
 * binary that answers. All steps run, whatever fails; the last line is `N passed, N failed[, N skipped]`, where each
 * step other than the tests counts as one. With CI=true a skip, or no test at all, is a failure.
 *   --long           the long form of the tests (HWLEDGER_LONG=1)
 *   --no-binary      leaves the compiled binary out
 *   a path           only the tests below it, and nothing else
 */
import { resolve } from "node:path";
import { buildAssets } from "./assets.ts";
import { smokeBinary } from "./check/smoke.ts";
import { runTests } from "./check/tests.ts";

const ROOT = resolve(import.meta.dir, "..");
const args = process.argv.slice(2);
const paths = args.filter((arg) => !arg.startsWith("--"));
const strict = process.env.CI === "true" || process.env.CI === "1";

interface Step {
  readonly name: string;
  readonly run: () => Promise<void>;
}

async function program(...command: string[]): Promise<void> {
  const child = Bun.spawn(command, { cwd: ROOT, stdin: "ignore", stdout: "inherit", stderr: "inherit" });
  const status = await child.exited;
  if (status !== 0)
    throw new Error(`\`${command.map((part) => part.replace(`${ROOT}/`, "")).join(" ")}\` ended with ${status}`);
}

const bin = (name: string) => `${ROOT}/node_modules/.bin/${name}`;

const BEFORE: readonly Step[] = [
  { name: "assets", run: async () => void (await buildAssets()) },
  { name: "format and lint", run: () => program(bin("biome"), "ci", "--diagnostic-level=error", ".") },
  { name: "types", run: () => program(bin("tsc"), "-p", ".") },
  { name: "types of src/math alone", run: () => program(bin("tsc"), "-p", "src/math") },
  { name: "unused code", run: () => program(bin("knip")) },
];
const AFTER: readonly Step[] = args.includes("--no-binary") ? [] : [{ name: "binary", run: smokeBinary }];

let passed = 0;
let failed = 0;
const problems: string[] = [];

async function runSteps(steps: readonly Step[]): Promise<void> {
  for (const { name, run } of steps) {
    const start = performance.now();
    try {
      await run();
      passed++;
      console.log(`✓ ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed++;
      problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      console.log(`✗ ${name}`);
    }
  }
}

if (paths.length === 0) await runSteps(BEFORE);

const counts = await runTests(
  ROOT,
  ["--only-failures", ...paths],
  args.includes("--long") ? { HWLEDGER_LONG: "1" } : {},
);
passed += counts.passed;
failed += counts.failed;
console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skips.length} skipped`);
if (counts.failed > 0) problems.push(`tests: ${counts.failed} failed, named above`);

if (paths.length === 0) await runSteps(AFTER);

for (const { name, reason } of counts.skips) console.log(`skipped: ${name}: ${reason ?? "no reason given"}`);
const unexplained = counts.skips.filter((skip) => skip.reason === null);
if (strict && counts.skips.length > 0) problems.push(`CI allows no skipped test, ${counts.skips.length} were`);
else if (unexplained.length > 0)
  problems.push(`${unexplained.length} skipped without a reason (use tests/requires.ts)`);
if (counts.passed + counts.failed === 0) problems.push("no test ran");

// Skips that may not be, and an empty run, are failures of the check itself.
if (problems.length > 0 && failed === 0) failed = 1;
for (const problem of problems) console.log(`problem: ${problem}`);
console.log(`${passed} passed, ${failed} failed${counts.skips.length > 0 ? `, ${counts.skips.length} skipped` : ""}`);
process.exit(failed === 0 ? 0 : 1);
