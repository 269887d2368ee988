/** The result column: verdict, devices, layers, curve, command, reasons. Made of the fragments the browser redraws. */
import { formatBytes, formatGib } from "../../math/format.ts";
import { plannableBytes } from "../../math/machine.ts";
import { RUNTIMES } from "../../math/runtime/index.ts";
import { type Html, html } from "../html.ts";
import { PATTERNS } from "./bars.ts";
import { curveTable } from "./curve.ts";
import type { FormValues } from "./fields.ts";
import { ICONS } from "./icons.ts";
import { layerTable } from "./layer-table.ts";
import { kindsLegend, partsLegend, readoutFragment } from "./legend.ts";
import { type DrawnScene, isDrawn, type Scene } from "./scene.ts";
import {
  changesFragment,
  metersFragment,
  metricsFragment,
  sayFragment,
  spokenVerdict,
  whyFragment,
} from "./verdict.ts";
import { basisTag, commandFragment, whyTable } from "./why.ts";

/** Ids of the fragments, for the browser: each is replaced alone. */
export const FRAGMENTS = {
  say: (scene: DrawnScene) => sayFragment(scene),
  why: (scene: DrawnScene) => whyFragment(scene),
  metrics: (scene: DrawnScene) => metricsFragment(scene),
  changes: (scene: DrawnScene, form: FormValues) => changesFragment(scene, form),
  meters: (scene: DrawnScene) => metersFragment(scene),
  kinds: (scene: DrawnScene) => kindsLegend(scene),
  parts: (scene: DrawnScene) => partsLegend(scene),
  readout: (scene: DrawnScene, _form: FormValues, selected: number) => readoutFragment(scene, selected),
  layers: (scene: DrawnScene, _form: FormValues, selected: number) => layerTable(scene, selected),
  contexts: (scene: DrawnScene) => curveTable(scene),
  command: (scene: DrawnScene) => commandFragment(scene),
  terms: (scene: DrawnScene) => whyTable(scene),
  notes: (scene: DrawnScene) => notesFragment(scene),
} as const satisfies Record<string, (scene: DrawnScene, form: FormValues, selected: number) => Html>;

export type FragmentName = keyof typeof FRAGMENTS;

/** The layer that is read out at first: the middle one, where the pattern is in full swing. */
export function firstSelected(layers: number): number {
  return Math.max(0, Math.floor((layers - 1) / 2));
}

export function resultView(scene: Scene, form: FormValues): Html {
  return isDrawn(scene) ? drawnResult(scene, form) : unknownResult(scene);
}

function drawnResult(scene: DrawnScene, form: FormValues): Html {
  const layers = scene.drawn.model.layers.length;
  const selected = firstSelected(layers);
  const at = (name: FragmentName): Html => FRAGMENTS[name](scene, form, selected);
  return html`${PATTERNS}<section class="vblock" aria-label="Verdict"><div class="verdict"><div class="say" id="say">${at("say")}</div><div id="metrics">${at("metrics")}</div><p class="why" id="why">${at("why")}</p></div><p class="vh" aria-live="polite" id="spoken">${spokenVerdict(scene)}</p><div id="changes">${at("changes")}</div><div class="meters" id="meters">${at("meters")}</div><div id="notes">${at("notes")}</div></section><section class="sec" aria-labelledby="h-layers"><div class="hd"><h2 id="h-layers">Memory by layer</h2><span class="legend" id="kinds">${at("kinds")}</span></div><canvas class="sky js" id="sky" aria-hidden="true"></canvas><ul class="legend below" id="parts">${at("parts")}</ul><div class="readout js" id="readout" tabindex="0" role="slider" aria-label="Layer" aria-valuemin="0" aria-valuemax="${layers - 1}" aria-valuenow="${selected}" aria-valuetext="Layer ${selected}">${at("readout")}</div><details class="after" id="layers" open>${at("layers")}</details></section><div class="sec two"><section aria-labelledby="h-curve"><div class="hd"><h2 id="h-curve">Memory by context</h2><span class="meta">GiB ${scene.machine.accelerators.length > 0 ? "on the GPUs" : "of system memory"}, log scale of tokens</span></div><div class="curve js" id="curve" aria-hidden="true"></div><p class="meta nojs">The curve needs script; the table beside it has its numbers.</p></section><section aria-labelledby="h-contexts"><div class="hd"><h2 id="h-contexts">At other contexts</h2><span class="meta">everything else as it is</span></div><div id="contexts">${at("contexts")}</div></section></div><section class="sec" aria-labelledby="h-run"><div class="hd"><h2 id="h-run">Run it</h2><span class="dim">this plan, to the byte</span></div><div class="cmd" x-data="copy"><code id="command">${at("command")}</code><button type="button" class="primary js" id="copy-command" x-on:click="copyCommand" x-text="label('Copy')" aria-live="polite">Copy</button></div></section><section class="sec" aria-labelledby="h-why"><div class="hd"><h2 id="h-why">Why this number</h2>${basisTag("exact")}${basisTag("modelled")}</div><div id="terms">${at("terms")}</div>${RUNTIMES[scene.input.engine].asked === true && html`<div class="ask after"><button type="submit" formaction="/plan/ask" formmethod="post" hx-post="/plan/ask" hx-target="#asked" hx-include="closest form" hx-indicator="#asking">Ask llama.cpp itself</button> <span class="meta htmx-indicator" id="asking" role="status">asking, without loading a weight</span></div>`}<div class="after" id="asked" aria-live="polite"></div></section>`;
}

/** Reason, what is missing, and what is known: a lower bound. Hatched, never red, never zero. */
function unknownResult(scene: Scene): Html {
  const { result, machine } = scene;
  const known = result.memory.low_bytes;
  const devices = machine.accelerators.length > 0 ? machine.accelerators : [machine.host];
  const free = devices.reduce<number | null>((sum, device) => {
    const bytes = plannableBytes(device);
    return sum === null || bytes === null ? null : sum + bytes;
  }, 0);
  const missing = result.missing ?? [];
  return html`<section class="hatch" aria-label="Verdict"><div class="plain"><div class="verdict"><div class="say"><span class="word unk">${ICONS.unk}Unknown</span>${
    known !== null &&
    known > 0 &&
    html` <span class="of">at least ${formatBytes(known)}${free !== null && ` of ${formatGib(free)} GiB`}</span>`
  }</div><p class="why">${result.reason ?? ""}.</p></div>${
    missing.length > 0 &&
    html`<p class="dim after">Missing: ${missing.map((name, i) => html`${i > 0 && ", "}<code>${name}</code>`)}.</p>`
  }<p class="dim after">Nothing is guessed: the caches and buffers of this model are not counted.</p></div></section>${
    result.warnings.length > 0 && html`<div class="notices">${result.warnings.map((text) => note(text))}</div>`
  }`;
}

function note(text: string): Html {
  return html`<div class="note-box"><p>${text}${!/[.!?]$/.test(text) && "."}</p></div>`;
}

/** Said quietly: a plan has room for what is not quite known. */
function notesFragment({ result }: DrawnScene): Html {
  return html`${result.warnings.length > 0 && html`<ul class="remarks">${result.warnings.map((text) => html`<li>${text}${!/[.!?]$/.test(text) && "."}</li>`)}</ul>`}`;
}
