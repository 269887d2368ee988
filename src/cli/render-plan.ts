/** A plan's answer as text. Pure: the same answer and style give the same text. */
import { formatBytes, formatGib, formatInteger, formatParameters } from "../math/format.ts";
import type { DeviceMemory, PlanResult } from "../math/result.ts";
import { MIB } from "../math/units.ts";
import { PAINT, type Paint, PLAIN } from "./paint.ts";
import { apportion, type PlanRow, planRows } from "./plan-rows.ts";

export interface PlanStyle {
  /** Colours and bars. */
  readonly styled: boolean;
  readonly columns: number;
  readonly explain: boolean;
}

export function renderPlan(result: PlanResult, style: PlanStyle): string {
  const paint = style.styled ? PAINT : PLAIN;
  const blocks: string[][] = [
    heading(result, paint),
    result.memory.total_bytes === null ? [] : [...table(planRows(result), style), verdict(result, paint)],
    deviceLines(result, style),
    unknownLines(result, paint),
    fitLines(result),
    askedLines(result),
    result.warnings.map((warning) => `note: ${warning}`),
    style.explain ? (result.explanation ?? []).map((line) => line) : [],
    result.command === null ? [] : [`Run it: ${result.command}`],
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

function heading({ model, engine, options, devices }: PlanResult, paint: Paint): string[] {
  const weights = options.weights;
  const facts = [
    model.family,
    model.parameters === null ? null : `${formatParameters(model.parameters.total)} parameters`,
    model.layers === null ? null : `${model.layers} layers`,
    typeof weights === "string" ? weights : null,
  ];
  const context = options.context;
  const sequences = options.sequences;
  const on = devices.length > 1 ? devices.slice(0, -1) : devices;
  const setting = [
    `${engine.id} ${engine.version} on ${namesOf(on.map((d) => d.name))}`,
    typeof context === "number" ? `context ${formatInteger(context)}` : null,
    typeof sequences === "number" && sequences > 1 ? `${sequences} sequences` : null,
  ];
  return [[paint.bold(model.id ?? "model"), ...facts].filter(isText).join(" · "), setting.filter(isText).join(" · ")];
}

/** Two of the same are "2x NAME". */
function namesOf(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count > 1 ? `${count}x ${name}` : name)).join(" and ");
}

function isText(part: string | null): part is string {
  return part !== null;
}

const INDEX_WIDTH = 16;
const MOST_BAR = 24;

function table(rows: readonly PlanRow[], { styled, columns }: PlanStyle): string[] {
  const mib = apportion(
    rows.map((row) => row.bytes),
    MIB,
  );
  const devices = new Set(rows.filter((row) => row.device !== "").map((row) => row.device));
  const cells = rows.map((row, i) => ({
    label: row.indexes === "" ? row.title : `${row.title}  ${cut(row.indexes, INDEX_WIDTH)}`,
    kind: row.kind === "" ? "" : `${row.kind} x${row.count}${devices.size > 1 ? ` on ${row.device}` : ""}`,
    each: row.count > 1 ? `${eachOf(row)} each` : "",
    all: `${formatInteger(mib[i] ?? 0)} MiB`,
  }));
  const width = (column: "label" | "kind" | "each" | "all"): number =>
    Math.max(0, ...cells.map((cell) => cell[column].length));
  const [label, kind, each, all] = [width("label"), width("kind"), width("each"), width("all")];
  const bar = styled ? Math.max(0, Math.min(MOST_BAR, columns - label - kind - each - all - 10)) : 0;
  const most = Math.max(1, ...rows.map((row) => row.bytes));
  return cells.map((cell, i) =>
    [
      cell.label.padEnd(label),
      cell.kind.padEnd(kind),
      ...(bar >= 4 ? [drawBar((rows[i]?.bytes ?? 0) / most, bar)] : []),
      cell.all.padStart(all),
      cell.each.padStart(each),
    ]
      .join("  ")
      .trimEnd(),
  );
}

/** "245 MiB", or the span where layers of one kind differ, as a quantisation's mix makes them. */
function eachOf({ leastBytes, mostBytes }: PlanRow): string {
  const [least, most] = [formatBytes(leastBytes), formatBytes(mostBytes)];
  return least === most ? least : `${least} to ${most}`;
}

function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const kept = text.slice(0, most - 2);
  const comma = kept.lastIndexOf(",");
  return `${comma > 0 ? kept.slice(0, comma) : kept} …`;
}

function drawBar(share: number, width: number): string {
  const full = Math.max(share > 0 ? 1 : 0, Math.round(share * width));
  return `[${"=".repeat(full)}${" ".repeat(width - full)}]`;
}

function verdict(result: PlanResult, paint: Paint): string {
  const { memory, limits, status, tight } = result;
  const used = memory.by_device.filter((device) => device.total_bytes > 0);
  const [only] = used;
  const limit = used.length === 1 && only !== undefined ? limitOf(result, only) : null;
  const total = `Total   ${formatBytes(memory.total_bytes ?? 0)}${limit === null ? "" : ` of ${formatBytes(limit)}`}`;
  const judged = judgement(result, used);
  const word = status === "does_not_fit" ? paint.bad(judged) : tight ? paint.doubt(judged) : paint.good(judged);
  const context = limits.max_context === null ? "" : ` · largest context ${formatInteger(limits.max_context)}`;
  return `${paint.bold(total)}   ${word}${context}`;
}

function judgement({ status, tight }: PlanResult, used: readonly DeviceMemory[]): string {
  const known = used.filter((device) => device.free_bytes !== null);
  const tightest = known.toSorted((a, b) => (a.free_bytes ?? 0) - (b.free_bytes ?? 0))[0];
  const where = used.length > 1 && tightest !== undefined ? ` on ${tightest.device}` : "";
  const free = tightest?.free_bytes ?? null;
  if (status === "does_not_fit") return `does not fit, ${formatBytes(Math.abs(free ?? 0))} short${where}`;
  if (free === null) return "fits, as far as is known";
  return `fits${tight ? " tightly" : ""}, ${formatBytes(free)} free${where}`;
}

/** What the plan was held against: free now, else what programs can get, else the whole memory. */
function limitOf({ devices }: PlanResult, { device }: DeviceMemory): number | null {
  const facts = devices.find((d) => d.id === device);
  return facts?.free_bytes ?? facts?.usable_bytes ?? facts?.memory_bytes ?? null;
}

/** Where more than one device holds a part of it. */
function deviceLines(result: PlanResult, { styled }: PlanStyle): string[] {
  const used = result.memory.by_device.filter((device) => device.total_bytes > 0);
  if (used.length < 2) return [];
  const width = Math.max(...used.map(({ device }) => device.length));
  return used.map((device) => {
    const limit = limitOf(result, device);
    const share = limit === null || limit === 0 ? null : Math.min(1, device.total_bytes / limit);
    const bar = styled && share !== null ? `${drawBar(share, MOST_BAR)}  ` : styled ? " ".repeat(MOST_BAR + 4) : "";
    const size = `${formatGib(device.total_bytes).padStart(6)} GiB${limit === null ? "" : ` of ${formatGib(limit)} GiB`}`;
    const free = device.free_bytes;
    const kept = device.reserved_bytes > 0 ? ` beside ${formatBytes(device.reserved_bytes)} kept` : "";
    const rest =
      free === null ? "" : free < 0 ? `, ${formatBytes(-free)} short${kept}` : `, ${formatBytes(free)} free${kept}`;
    const name = result.devices.find((d) => d.id === device.device)?.name ?? "";
    return `${device.device.padEnd(width)}  ${bar}${size}${rest}  ${name}`;
  });
}

function unknownLines({ status, reason, missing, memory }: PlanResult, paint: Paint): string[] {
  if (status !== "unknown") return [];
  const lines = [`${paint.doubt("Not known")}: ${reason ?? "the model"}`];
  if (missing !== undefined && missing.length > 0) lines.push(`Missing: ${missing.join(", ")}`);
  if (memory.low_bytes !== null && memory.low_bytes > 0) lines.push(`At least ${formatBytes(memory.low_bytes)}`);
  return lines;
}

/** What would make it fit, one change at a time. */
function fitLines({ status, limits, options }: PlanResult): string[] {
  if (status !== "does_not_fit") return [];
  const changes: string[] = [];
  const context = options.context;
  if (
    limits.max_context !== null &&
    limits.max_context > 0 &&
    typeof context === "number" &&
    limits.max_context < context
  ) {
    changes.push(`--context ${limits.max_context}`);
  }
  if (limits.best_weights !== null) changes.push(`--weights ${limits.best_weights}`);
  if (limits.gpu_layers !== null && limits.gpu_layers !== options.gpu_layers)
    changes.push(`--gpu-layers ${limits.gpu_layers}`);
  return changes.length === 0 ? [] : [`Would fit: ${changes.join(", or ")}`];
}

function askedLines({ memory }: PlanResult): string[] {
  const { asked } = memory;
  if (asked === null) return [];
  const parts = ["weights_bytes", "kv_cache_bytes", "state_bytes", "compute_bytes", "output_bytes"] as const;
  const width = Math.max(...parts.map((part) => part.length));
  const rows = parts.flatMap((part) => {
    const [theirs, ours] = [asked[part], memory[part]];
    if (theirs === null || ours === null || (theirs === 0 && ours === 0)) return [];
    const same =
      theirs === ours
        ? "the same"
        : `${formatInteger(Math.abs(theirs - ours))} bytes ${theirs > ours ? "more" : "less"}`;
    return [`  ${PART_NAMES[part].padEnd(width - 4)}  ${formatInteger(theirs).padStart(15)} bytes  ${same}`];
  });
  return [`${asked.engine} ${asked.version} itself says`, ...rows];
}

const PART_NAMES = {
  weights_bytes: "weights",
  kv_cache_bytes: "KV cache",
  state_bytes: "state",
  compute_bytes: "compute",
  output_bytes: "output",
} as const;
