/** The Compare page: a form, a row for each engine and machine, why they differ, and each engine's command. */
import type { AppError } from "../../errors.ts";
import type { ComparedRow } from "../../math/compare.ts";
import { formatInteger, formatParameters } from "../../math/format.ts";
import { errorBox } from "../errors.ts";
import { type Html, html } from "../html.ts";
import { layout } from "../layout.ts";
import { PATTERNS } from "../plan/bars.ts";
import { type FormValues, queryOf } from "../plan/fields.ts";
import type { FieldErrors } from "../plan/request.ts";
import { compareTable } from "./table.ts";

export interface ComparePage {
  readonly form: FormValues;
  /** A row for each of an engine's weights. */
  readonly everyWeights: boolean;
  readonly errors: FieldErrors;
  readonly rows: readonly ComparedRow[];
  readonly problem: AppError | null;
  readonly here: Html | null;
  readonly devices: readonly { readonly id: string; readonly name: string }[];
}

export function comparePage(page: ComparePage): Html {
  const { form, rows, here } = page;
  const name = form.model?.split("/").slice(-2).join("/");
  const main = html`<div class="pagehead"><h1>Compare engines and machines</h1>${rows[0] !== undefined && aboutLine(rows[0])}</div>${settings(page)}<div class="notices" id="problem">${
    page.problem !== null && errorBox(page.problem)
  }</div>${rows.length > 0 ? results(page) : form.model === undefined && welcome()}`;
  return layout({
    title: name === undefined ? "Compare" : `Compare ${name}`,
    current: "compare",
    here,
    island: null,
    main,
  });
}

/** The context as it was asked: an engine may have cut it. */
function aboutLine({ result: { model }, asked }: ComparedRow): Html {
  const { context, sequences } = asked.options;
  const facts = [
    model.id,
    model.parameters === null ? null : `${formatParameters(model.parameters.total)} parameters`,
    context === null ? null : `context ${formatInteger(context)}`,
    sequences === null ? null : `${sequences} ${sequences === 1 ? "sequence" : "sequences"}`,
  ];
  return html`<p class="dim">${facts.filter((fact) => fact !== null).join(" · ")}. Every bar on one scale; the outline is what that machine can give.</p>`;
}

interface Field {
  readonly field: string;
  readonly label: string;
  readonly hint: string;
}

const FIELDS: readonly Field[] = [
  { field: "model", label: "Model", hint: "org/name, a .gguf file or a folder" },
  { field: "device", label: "Devices", hint: "this machine; or rtx-4090, 2x 24GiB" },
  { field: "weights", label: "Weights", hint: "as the files have it" },
  { field: "context", label: "Context", hint: "8192" },
  { field: "sequences", label: "Sequences", hint: "1" },
  { field: "kv_type", label: "KV cache", hint: "each engine's own" },
];

function settings({ form, errors, devices, everyWeights }: ComparePage): Html {
  const kept = Object.entries(form).filter(([field]) => !FIELDS.some((shown) => shown.field === field));
  return html`<form class="compare-form" action="/compare" method="get" role="search" aria-label="What to compare">${FIELDS.map(
    ({ field, label, hint }) =>
      html`<div class="choice"><label class="meta" for="c-${field}">${label}</label><input type="text" id="c-${field}" name="${field}" value="${shownValue(form, field)}" placeholder="${hint}" autocomplete="off" spellcheck="false" autocapitalize="off"${
        field === "device" && html` list="devices"`
      }${errors[field] !== undefined && html` aria-invalid="true" aria-describedby="ce-${field}"`}>${
        errors[field] !== undefined && html`<span class="fielderr" id="ce-${field}">${errors[field]}</span>`
      }</div>`,
  )}<datalist id="devices">${devices.map(({ id, name }) => html`<option value="${id}">${name}</option>`)}</datalist>${kept.map(
    ([field, value]) => html`<input type="hidden" name="${field}" value="${value}">`,
  )}${everyWeights && html`<input type="hidden" name="all" value="1">`}<div class="acts"><button>Compare</button></div></form>`;
}

function shownValue(form: FormValues, field: string): string {
  const value = form[field] ?? "";
  return field === "device" && value === "auto" ? "" : value;
}

function welcome(): Html {
  return html`<div class="note-box"><h2>Which engine, on which machine?</h2><p class="dim">Name a model: each engine then says what it would take, what fits, and the command that runs it. Several devices stand with commas between them. <a href="/compare?model=example:gpt-oss-20b&amp;device=rtx-4090,apple-m4-max-40c:64GB">Compare an example</a>.</p></div>`;
}

function results({ rows, form, everyWeights }: ComparePage): Html {
  const runs = rows.filter(({ result }) => result.status !== "error");
  const cannot = rows.filter(({ result }) => result.status === "error");
  const href = (all: boolean): string => `/compare?${queryOf(form)}${all ? "&all=1" : ""}`;
  return html`${PATTERNS}<p class="filters"><span class="seglinks"><a href="${href(false)}"${!everyWeights && html` aria-current="true"`}>Best of each</a><a href="${href(true)}"${everyWeights && html` aria-current="true"`}>All weights</a></span><span class="meta">${formatInteger(runs.length)} of ${formatInteger(rows.length)} combinations run${
    cannot.length > 0 && html` · <a href="#cannot">${formatInteger(cannot.length)} do not</a>`
  }</span></p>${runs.length > 0 && compareTable(runs, form)}${differences(rows)}${cannotRun(cannot)}`;
}

function differences(rows: readonly ComparedRow[]): Html {
  const said = new Map<string, string>();
  // The best row's, where an engine has several.
  for (const { result, difference } of rows) {
    if (difference !== null && !said.has(result.engine.id)) said.set(result.engine.id, difference);
  }
  return html`${
    said.size > 0 &&
    html`<section class="sec" aria-labelledby="h-differ"><div class="hd"><h2 id="h-differ">Why they differ</h2></div><div class="words">${[
      ...said,
    ].map(([engine, text]) => html`<div><h3>${engine}</h3><p>${text}</p></div>`)}</div></section>`
  }`;
}

function cannotRun(rows: readonly ComparedRow[]): Html {
  const said = new Map<string, { readonly who: string; readonly why: string }>();
  for (const { result } of rows) {
    const who = `${result.engine.id} on ${String(result.options.device)}`;
    const why = result.error?.message ?? "";
    said.set(`${who} ${why}`, { who, why });
  }
  return html`${
    said.size > 0 &&
    html`<section class="sec" aria-labelledby="cannot"><div class="hd"><h2 id="cannot">What does not run it</h2></div><dl class="cannot">${[
      ...said.values(),
    ].map(({ who, why }) => html`<dt>${who}</dt><dd>${why}.</dd>`)}</dl></section>`
  }`;
}
