/** The rows of a comparison: verdict, memory on one scale, the largest context, and the command behind each. */
import type { ComparedRow } from "../../math/compare.ts";
import { fitWords } from "../../math/fit-words.ts";
import { formatBytes, formatGib, formatInteger } from "../../math/format.ts";
import type { PlanOptions } from "../../math/options.ts";
import type { Basis, PlanMemory, PlanResult } from "../../math/result.ts";
import { type Html, html } from "../html.ts";
import { bar } from "../plan/bars.ts";
import { type FormValues, planHref, withValues } from "../plan/fields.ts";
import { ICONS, VERDICT_WORDS, type VerdictKind } from "../plan/icons.ts";
import { BASIS_WORDS, PART_VIEWS } from "../plan/parts.ts";

export function compareTable(rows: readonly ComparedRow[], form: FormValues): Html {
  const scale = Math.max(1, ...rows.map(({ result }) => Math.max(shownBytes(result), capacityOf(result) ?? 0)));
  // An outline many times the plan would squeeze every bar into nothing.
  const most = Math.max(1, ...rows.map(({ result }) => shownBytes(result)));
  const used = Math.min(scale, 3 * most);
  return html`<div class="scroll"><table class="stack compare"><caption class="vh">Engines and machines, best first</caption><thead><tr><th scope="col">Engine</th><th scope="col">Machine</th><th scope="col">Verdict and why</th><th scope="col">Memory, 0 – ${formatGib(used)} GiB</th><th scope="col" class="num">GiB</th><th scope="col" class="num">Largest context</th><th scope="col">Basis</th></tr></thead><tbody>${rows.map(
    (row) => tableRow(row, form, used),
  )}</tbody></table></div><ul class="legend below">${PART_VIEWS.map(
    ({ name, swatch }) => html`<li><span class="sw ${swatch}"></span>${name}</li>`,
  )}</ul>`;
}

function tableRow({ result, asked }: ComparedRow, form: FormValues, scale: number): Html {
  const { engine, options, memory, limits } = result;
  const device = String(options.device ?? "auto");
  const kind = kindOf(result);
  const capacity = capacityOf(result);
  const weights = typeof options.weights === "string" ? options.weights : "";
  const plan = planHref(withValues(form, { ...askedValues(asked.options), engine: engine.id, device, weights }));
  return html`<tr><th scope="row" class="nowrap"><a href="${plan}">${engine.id}</a> <span class="dim">${engine.version}</span><span class="sub">${weights}</span></th><td class="nowrap">${device === "auto" ? "this machine" : device}</td><td class="full"><span class="chip ${kind}">${ICONS[kind]}${VERDICT_WORDS[kind]}</span><span class="sub">${fitWords(result)}</span></td><td class="barcol full">${bar(
    partsOf(memory),
    scale,
    capacity === null ? null : Math.min(capacity, scale),
    "bar",
  )}<details><summary>Parts and command</summary>${partList(memory)}${result.warnings.map((warning) => html`<p class="sub">${warning}</p>`)}${
    result.command !== null && html`<div class="cmd"><code><i>$ </i>${result.command}</code></div>`
  }</details></td><td class="num" data-l="GiB"><b>${gib(memory.total_bytes ?? memory.low_bytes, memory.total_bytes === null)}</b>${
    capacity !== null && html` <span class="dim">of ${formatGib(capacity)}</span>`
  }</td><td class="num" data-l="largest context">${limits.max_context === null ? "–" : formatInteger(limits.max_context)}</td><td>${basisTag(result)}</td></tr>`;
}

/** The options of a plan as the form's values; "" takes out what this engine was asked without. */
function askedValues(options: PlanOptions): FormValues {
  const { kvTypeK, kvTypeV, overrideTensor: _, reserveBytes: __, ...rest } = options;
  const values: Record<string, string> = {};
  for (const [option, value] of Object.entries(rest)) {
    const field = option.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    values[field] = value === null ? "" : String(value);
  }
  values.kv_type = kvTypeK === null ? "" : [kvTypeK, kvTypeV ?? kvTypeK].join().toLowerCase();
  return values;
}

function gib(bytes: number | null, least: boolean): string {
  if (bytes === null) return "–";
  return `${least ? "≥ " : ""}${formatGib(bytes)}`;
}

/** Parts in the order of the picture, each by name: what the bar shows, for those who do not see it. */
function partList(memory: PlanMemory): Html {
  const shown = PART_VIEWS.filter(({ part }) => (memory[part] ?? 0) > 0);
  return html`<dl class="partlist">${shown.map(
    ({ part, name, swatch }) =>
      html`<dt><span class="sw ${swatch}"></span>${name}</dt><dd>${formatBytes(memory[part] ?? 0)}</dd>`,
  )}</dl>`;
}

function partsOf(memory: PlanMemory) {
  if (memory.total_bytes === null) return [{ swatch: "weights" as const, bytes: memory.low_bytes ?? 0 }];
  return PART_VIEWS.map(({ part, swatch }) => ({ swatch, bytes: memory[part] ?? 0 }));
}

function shownBytes({ memory }: PlanResult): number {
  return memory.total_bytes ?? memory.low_bytes ?? 0;
}

/**
 * What the accelerators that are used can give to the plan, and what lies in system memory beside them; without
 * accelerators what system memory can give. null where a size is not known.
 */
function capacityOf({ memory }: PlanResult): number | null {
  const accelerators = memory.by_device.slice(0, -1).filter((device) => device.total_bytes > 0);
  const host = memory.by_device.at(-1);
  if (host === undefined) return null;
  let capacity = accelerators.length > 0 ? host.total_bytes : 0;
  for (const device of accelerators.length > 0 ? accelerators : [host]) {
    if (device.free_bytes === null) return null;
    capacity += Math.max(0, device.total_bytes + device.free_bytes);
  }
  return capacity;
}

function kindOf({ status, tight }: PlanResult): VerdictKind {
  if (status === "fits") return tight ? "tight" : "fit";
  return status === "does_not_fit" ? "no" : "unk";
}

/** How well the largest of the parts that are not exact is known; exact where all are. */
function basisTag({ memory }: PlanResult): Html | null {
  if (memory.basis === null) return null;
  const kinds = new Set<Basis>(Object.values(memory.basis));
  const weakest: Basis = kinds.has("modelled") ? "modelled" : kinds.has("measured") ? "measured" : "exact";
  return html`<span class="tag ${weakest}">${BASIS_WORDS[weakest]}</span>`;
}
