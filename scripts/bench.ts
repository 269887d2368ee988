/**
 * Runs scripts/bench/*.ts one after another and writes docs/benchmarks.md. A bench is a file that exports `name` and
 * `run()`, which answers with rows of equal keys; the comment at its head says what is measured and how, and is printed
 * above its table. Names as arguments run those alone, and print without writing.
 */
import { cpus, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { buildAssets } from "./assets.ts";

const ROOT = resolve(import.meta.dir, "..");
const OUT = join(ROOT, "docs", "benchmarks.md");

type Cell = string | number | boolean | null;
export type Row = Readonly<Record<string, Cell>>;

interface Bench {
  readonly name: string;
  readonly run: () => Promise<readonly Row[]>;
}

function isBench(module: unknown): module is Bench {
  return (
    typeof module === "object" &&
    module !== null &&
    "name" in module &&
    typeof module.name === "string" &&
    "run" in module &&
    typeof module.run === "function"
  );
}

/** The text of a file's first comment, as one paragraph. */
export function headComment(source: string): string {
  const inner = /^\s*\/\*\*([\s\S]*?)\*\//.exec(source)?.[1] ?? "";
  const lines = inner.split("\n").map((line) => line.replace(/^\s*\* ?/, "").trim());
  return lines.filter((line) => line !== "").join(" ");
}

/** Three digits that count; whole numbers in full, with separators from ten thousand on. */
export function formatCell(cell: Cell): string {
  if (cell === null) return "–";
  if (typeof cell !== "number") return String(cell);
  if (Number.isInteger(cell)) return Math.abs(cell) < 10_000 ? String(cell) : cell.toLocaleString("en-US");
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(cell))));
  return cell.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** "medianMs" is "median ms". */
function heading(key: string): string {
  return key
    .replaceAll(/([a-z\d])([A-Z])(?<!iB)/g, "$1 $2")
    .replaceAll(/ ([A-Z])(?=[a-z])(?!iB)/g, (_, letter: string) => ` ${letter.toLowerCase()}`);
}

export function table(rows: readonly Row[]): string {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const isNumber = (key: string) => rows.every((row) => row[key] === null || typeof row[key] === "number");
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(keys.map(heading)),
    line(keys.map((key) => (isNumber(key) ? "--:" : "---"))),
    ...rows.map((row) => line(keys.map((key) => formatCell(row[key] ?? null)))),
  ].join("\n");
}

function machine(): string {
  const [first, ...others] = cpus();
  const gib = (totalmem() / 2 ** 30).toFixed(0);
  const model = first?.model.trim() ?? "unknown processor";
  return `${model}, ${others.length + 1} cores seen, ${gib} GiB, ${process.platform} ${process.arch}, Bun ${Bun.version}`;
}

async function load(path: string): Promise<{ readonly bench: Bench; readonly method: string }> {
  const module: unknown = await import(path);
  if (!isBench(module)) throw new Error(`${path} exports no name and run()`);
  return { bench: module, method: headComment(await Bun.file(path).text()) };
}

async function main(wanted: readonly string[]): Promise<number> {
  await buildAssets();
  const paths = [...new Bun.Glob("scripts/bench/*.ts").scanSync({ cwd: ROOT, absolute: true })].sort();
  const sections: string[] = [];
  let failures = 0;
  for (const path of paths) {
    const { bench, method } = await load(path);
    if (wanted.length > 0 && !wanted.includes(bench.name)) continue;
    console.log(`\n${bench.name}: ${method}`);
    let result: string;
    try {
      result = table(await bench.run());
    } catch (error) {
      failures++;
      result = `Not measured: ${error instanceof Error ? error.message : String(error)}`;
    }
    console.log(result);
    sections.push(`## ${bench.name}\n\n${method}\n\n${result}\n`);
  }
  if (wanted.length === 0) {
    const day = new Date().toISOString().slice(0, 10);
    const head = `# Benchmarks\n\nMade by \`npm run bench\` on ${day}: ${machine()}. Other programs may have been running.\n`;
    await Bun.write(OUT, `${[head, ...sections].join("\n")}`);
    console.log(`\nwritten to ${OUT.replace(`${ROOT}/`, "")}`);
  }
  return failures === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
