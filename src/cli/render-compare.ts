/** A comparison as text: a row for each engine and machine, why they differ, and the command of each. */
import type { ComparedRow } from "../math/compare.ts";
import { fitWords } from "../math/fit-words.ts";
import { formatGib, formatInteger, formatParameters } from "../math/format.ts";
import type { PlanResult } from "../math/result.ts";
import { PAINT, type Paint, PLAIN } from "./paint.ts";

export interface CompareStyle {
  readonly styled: boolean;
  readonly columns: number;
}

export function renderCompare(rows: readonly ComparedRow[], style: CompareStyle): string {
  const paint = style.styled ? PAINT : PLAIN;
  const [first] = rows;
  if (first === undefined) return "Nothing to compare.\n";
  const blocks = [heading(rows, paint), table(rows, paint, style.columns), differences(rows), commands(rows)];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

/** The context as it was asked: an engine may have cut it. */
function heading(rows: readonly ComparedRow[], paint: Paint): string[] {
  const [first] = rows;
  if (first === undefined) return [];
  const { model } = first.result;
  const { context, sequences } = first.asked.options;
  const facts = [
    model.family,
    model.parameters === null ? null : `${formatParameters(model.parameters.total)} parameters`,
    context === null ? null : `context ${formatInteger(context)}`,
    sequences === null ? null : `${sequences} ${sequences === 1 ? "sequence" : "sequences"}`,
  ];
  return [[paint.bold(model.id ?? "model"), ...facts.filter((fact) => fact !== null)].join(" · ")];
}

interface Column {
  readonly title: string;
  readonly right: boolean;
  readonly cell: (result: PlanResult) => string;
}

const gib = (bytes: number | null): string => (bytes === null ? "–" : formatGib(bytes));

const COLUMNS: readonly Column[] = [
  { title: "Engine", right: false, cell: ({ engine }) => `${engine.id} ${engine.version}` },
  { title: "Device", right: false, cell: ({ options }) => String(options.device ?? "") },
  { title: "Weights", right: false, cell: ({ options }) => String(options.weights ?? "–") },
  { title: "Verdict", right: false, cell: verdictOf },
  { title: "GiB", right: true, cell: ({ memory }) => gib(memory.total_bytes) },
  { title: "weights", right: true, cell: ({ memory }) => gib(memory.weights_bytes) },
  { title: "KV", right: true, cell: ({ memory }) => gib(sum(memory.kv_cache_bytes, memory.state_bytes)) },
  {
    title: "other",
    right: true,
    cell: ({ memory }) => gib(sum(sum(memory.compute_bytes, memory.output_bytes), memory.overhead_bytes)),
  },
  {
    title: "largest context",
    right: true,
    cell: ({ limits }) => (limits.max_context === null ? "–" : formatInteger(limits.max_context)),
  },
];

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

function verdictOf({ status, tight }: PlanResult): string {
  if (status === "fits") return tight ? "tight" : "fits";
  return status === "does_not_fit" ? "does not fit" : status === "unknown" ? "unknown" : "cannot run";
}

function table(rows: readonly ComparedRow[], paint: Paint, columns: number): string[] {
  const several = new Set(rows.map(({ result }) => result.options.device)).size > 1;
  const shown = COLUMNS.filter(({ title }) => several || title !== "Device");
  const cells = rows.map(({ result }) => shown.map((column) => column.cell(result)));
  const widths = shown.map(({ title }, i) => Math.max(title.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (shown[i]?.right === true ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join("  ");
  const lines = [paint.bold(line(shown.map(({ title }) => title)).trimEnd())];
  rows.forEach(({ result }, i) => {
    lines.push(colour(result, paint)(line(cells[i] ?? []).trimEnd()));
    const why = fitWords(result);
    lines.push(`  ${why.length + 2 > columns ? `${why.slice(0, Math.max(20, columns - 3))}…` : why}`);
  });
  return lines;
}

function colour({ status, tight }: PlanResult, paint: Paint): (text: string) => string {
  if (status === "fits") return tight ? paint.doubt : paint.good;
  return status === "does_not_fit" ? paint.bad : paint.doubt;
}

function differences(rows: readonly ComparedRow[]): string[] {
  const said = new Map<string, string>();
  // The best row's, where an engine has several.
  for (const { result, difference } of rows) {
    if (difference !== null && !said.has(result.engine.id)) said.set(result.engine.id, difference);
  }
  return said.size === 0 ? [] : ["Why they differ", ...[...said].map(([engine, text]) => `  ${engine}: ${text}`)];
}

function commands(rows: readonly ComparedRow[]): string[] {
  const lines = rows.flatMap(({ result }) =>
    result.command === null || result.status === "error"
      ? []
      : [...result.command.split("\n").map((line, i) => (i === 0 ? `  ${line}` : `    ${line}`))],
  );
  return lines.length === 0 ? [] : ["Run it", ...new Set(lines)];
}
