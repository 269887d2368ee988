/** What was found for a model's name: the hub's answer, models on this disk, and the built-in example, each a link. */
import { formatInteger } from "../../math/format.ts";
import { type Html, html } from "../html.ts";
import { EXAMPLE_MODEL } from "./example.ts";
import { type FormValues, planHref, withValues } from "./fields.ts";

export interface HubHit {
  readonly id: string;
  readonly downloads: number;
  readonly gated: boolean;
}

export interface DiskModel {
  readonly ref: string;
  /** "Q4_K_M", "safetensors" */
  readonly name: string;
  readonly label: string;
  readonly bytes: number;
}

export interface Found {
  readonly asked: string;
  readonly hub: readonly HubHit[];
  /** Why the hub did not answer; null when it did, or was not asked. */
  readonly hubProblem: string | null;
  readonly disk: readonly DiskModel[];
}

/** A link keeps device and engine, and drops what belonged to the model before. */
function open(form: FormValues, model: string): string {
  const { engine, device } = form;
  return planHref(withValues({}, { model, engine: engine ?? "", device: device ?? "" }));
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

export function foundFragment(found: Found, form: FormValues): Html {
  const { hub, disk, asked, hubProblem } = found;
  const count = hub.length + disk.length;
  return html`<div class="hits"><p class="vh" role="status">${count === 0 ? "Nothing found" : `${count} models found`}</p>${
    disk.length > 0 &&
    html`<h2>On this disk</h2><ul>${disk.map(
      (model) =>
        html`<li><a href="${open(form, model.ref)}"><b>${model.label}</b><span class="meta">${model.name} · ${gigabytes(model.bytes)}</span></a></li>`,
    )}</ul>`
  }${
    hub.length > 0 &&
    html`<h2>On the hub</h2><ul>${hub.map(
      (hit) =>
        html`<li><a href="${open(form, hit.id)}"><b>${hit.id}</b><span class="meta">${hit.gated && "licence to accept · "}${formatInteger(hit.downloads)} downloads</span></a></li>`,
    )}</ul>`
  }${hubProblem !== null && html`<p>${hubProblem}</p>`}${count === 0 && hubProblem === null && asked !== "" && html`<p>No model of that name. Enter opens it as it is written: org/name, org/name:Q4_K_M, a .gguf file or a folder.</p>`}</div>`;
}

/** First visit: one question, and three ways to answer it. */
export function startFragment(form: FormValues, disk: readonly DiskModel[]): Html {
  return html`<div class="empty"><div><h1>Which model?</h1><p class="dim">Its memory on your hardware, layer by layer, before you download it.</p></div><form action="/plan" method="get"><label class="vh" for="f-model">Model</label><input class="big" type="search" id="f-model" name="model" placeholder="org/name, a .gguf file or a folder" autocomplete="off" spellcheck="false" autocapitalize="off" autofocus hx-get="/plan/search" hx-trigger="input changed delay:250ms" hx-target="#found" hx-include="closest form">${[
    "engine",
    "device",
  ].map(
    (field) => form[field] !== undefined && html`<input type="hidden" name="${field}" value="${form[field]}">`,
  )}<button class="primary">Plan</button><p class="meta">Only headers are read, never weights. <button class="link nojs" formaction="/plan/search">Search the hub</button></p></form><div id="found"></div>${
    disk.length > 0 &&
    html`<section aria-labelledby="h-disk"><h2 id="h-disk">On this disk</h2><div class="ins after">${disk
      .slice(0, 12)
      .map(
        (model) =>
          html`<a class="btn" href="${open(form, model.ref)}">${model.label} <span class="meta">${model.name}</span></a>`,
      )}</div>${disk.length > 12 && html`<p class="meta after">${disk.length - 12} more: search by name.</p>`}</section>`
  }<section aria-labelledby="h-example"><h2 id="h-example">Or an example</h2><div class="ins after"><a class="btn" href="${open(form, EXAMPLE_MODEL)}">gpt-oss-20b <span class="meta">sliding and full attention in turn, experts in every layer</span></a></div></section></div>`;
}
