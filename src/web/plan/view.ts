/** The Plan page: pickers, settings, result, and the data the island goes on with. */
import type { AppError } from "../../errors.ts";
import { errorBox } from "../errors.ts";
import { type Html, html, jsonBlock } from "../html.ts";
import { layout } from "../layout.ts";
import type { FormValues } from "./fields.ts";
import { type PickersView, pickers } from "./pickers.ts";
import { resultView } from "./result-view.ts";
import type { Scene } from "./scene.ts";
import { type DiskModel, type Found, foundFragment, startFragment } from "./search-view.ts";
import { settingsPanel } from "./settings.ts";
import { encodeScene } from "./wire-scene.ts";

export interface PlanPage extends PickersView {
  readonly form: FormValues;
  readonly scene: Scene | null;
  /** Why there is no plan; the input is kept. */
  readonly problem: AppError | null;
  readonly here: Html | null;
  /** The engine's own answer, when the form asked for it without script. */
  readonly asked: Html | null;
}

const KEYS: readonly (readonly [string, string])[] = [
  ["/", "another model"],
  ["c", "copy the command"],
  ["← →", "one step of a slider, or one layer in the picture’s readout"],
  ["Page ↑ ↓", "one octave, or four layers"],
  ["Home End", "first and last"],
  ["?", "this list"],
];

export function planPage(page: PlanPage): Html {
  const { scene, form } = page;
  const title = (scene?.result.model.id ?? form.model ?? "Plan").split("/").slice(-2).join("/");
  return layout({
    title: `${title} on ${form.device ?? "this machine"}`,
    current: "plan",
    here: page.here,
    island: "plan",
    main: planMain(page),
  });
}

/** What htmx swaps in when it asks for the page. */
export function planMain(page: PlanPage): Html {
  const { form, scene, errors } = page;
  return html`<h1 class="vh">Plan</h1><div class="notices" id="problem">${page.problem !== null && problemBox(page.problem)}</div><div class="notices" id="connection" aria-live="polite"></div><form id="plan-form" action="/plan" method="get">${pickers(page)}<div class="plan">${settingsPanel({ form, errors, scene })}<div class="result" id="result">${
    scene === null ? noResult(page) : resultView(scene, form)
  }</div></div></form>${page.asked !== null && html`<section class="sec" id="asked-answer">${page.asked}</section>`}${keysDialog()}${
    scene?.drawn != null &&
    html`<script type="application/json" id="scene">${jsonBlock(encodeScene(scene, form))}</script>`
  }`;
}

function noResult({ problem }: PlanPage): Html {
  return problem !== null
    ? html``
    : html`<div class="note-box"><h3>No plan yet</h3><p class="dim">The marked field says what is wanted. What you entered is kept.</p></div>`;
}

function problemBox(problem: AppError): Html {
  return html`${errorBox(problem)}<p class="meta">Your settings are kept.</p>`;
}

function keysDialog(): Html {
  return html`<dialog id="keys" aria-labelledby="h-keys"><h2 id="h-keys">Keys</h2><dl>${KEYS.map(
    ([keys, what]) => html`<dt><kbd>${keys}</kbd></dt><dd>${what}</dd>`,
  )}</dl><form method="dialog"><button>Close</button></form></dialog>`;
}

export function startPage(form: FormValues, disk: readonly DiskModel[], here: Html | null): Html {
  return layout({ title: "Plan", current: "plan", here, island: "plan", main: startFragment(form, disk) });
}

export function searchPage(found: Found, form: FormValues, here: Html | null): Html {
  const main = html`<h1>Models for “${found.asked}”</h1><div class="after">${foundFragment(found, form)}</div><p class="after"><a href="/plan">Back to the plan</a></p>`;
  return layout({ title: "Search", current: "plan", here, island: null, main });
}
