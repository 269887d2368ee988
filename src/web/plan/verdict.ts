/** Word, number, why; then what would make it fit; then the device bars. */
import { formatBytes, formatDownload, formatGib, formatInteger } from "../../math/format.ts";
import { type Html, html } from "../html.ts";
import { bar } from "./bars.ts";
import { type FormValues, planHref, withValues } from "./fields.ts";
import { changesThatFit, signedBytes } from "./fit-changes.ts";
import { deviceNames, type Focus, focusOf } from "./focus.ts";
import { ICONS, VERDICT_WORDS, type VerdictKind } from "./icons.ts";
import { isHead } from "./outside.ts";
import { partsOf } from "./parts.ts";
import type { DrawnScene, Scene } from "./scene.ts";

export function verdictKind({ result }: Scene): VerdictKind {
  if (result.status === "fits") return result.tight ? "tight" : "fit";
  return result.status === "does_not_fit" ? "no" : "unk";
}

/** The large line: changes with every step of a slider. */
export function sayFragment(scene: Scene): Html {
  const kind = verdictKind(scene);
  const focus = focusOf(scene);
  return html`<span class="word ${kind}">${ICONS[kind]}${VERDICT_WORDS[kind]}</span> <span>${formatGib(focus.needBytes)}</span> <span class="of">of ${
    focus.freeBytes === null ? "an unknown amount of" : formatGib(focus.freeBytes)
  } GiB ${focus.host ? "system memory" : "free"}</span>`;
}

/** One sentence for a screen reader, spoken when the input rests. */
export function spokenVerdict(scene: Scene): string {
  const focus = focusOf(scene);
  const of = focus.freeBytes === null ? "" : ` of ${formatGib(focus.freeBytes)} GiB free`;
  return `${VERDICT_WORDS[verdictKind(scene)]}: ${formatGib(focus.needBytes)}${of === "" ? " GiB" : of}.`;
}

export function whyFragment(scene: Scene): Html {
  const { result } = scene;
  const focus = focusOf(scene);
  const names = deviceNames(result, scene.machine.accelerators.length);
  const shorts = result.memory.by_device.flatMap((device, i) =>
    device.free_bytes !== null && device.free_bytes < 0
      ? [
          `${formatBytes(-device.free_bytes)} ${i < scene.machine.accelerators.length ? "on the" : "of"} ${names[i] ?? device.device}`,
        ]
      : [],
  );
  if (result.status === "does_not_fit") return html`<b>Short by ${joinWords(shorts)}</b>.`;
  const tightest = tightestOf(scene, focus);
  const range = html`Expect ${rangeWords(result.memory.low_bytes ?? 0, result.memory.high_bytes ?? 0)} in all${
    focus.besideBytes > 0 && html`, ${formatBytes(focus.besideBytes)} of it in system memory`
  }.`;
  if (tightest === null) return html`Nobody said how much memory there is: planned as ample. ${range}`;
  const where =
    tightest.slot < scene.machine.accelerators.length ? `on the ${names[tightest.slot] ?? ""}` : "of system memory";
  const among = focus.slots.length > 1 ? ", the tightest" : "";
  const reserve = result.options.reserve_bytes;
  const margin =
    tightest.slot < scene.machine.accelerators.length && typeof reserve === "number" && reserve > 0
      ? `, after a margin of ${formatBytes(reserve)}`
      : "";
  const onHost =
    scene.drawn === null || focus.host ? 0 : countSlot(scene.drawn.plan.layers.slot, scene.machine.accelerators.length);
  const offloaded = onHost > 0 ? `${onHost} of ${result.model.layers ?? 0} layers run from system memory. ` : "";
  return html`<b>${formatBytes(tightest.bytes)} to spare</b> ${where}${among}${margin}. ${offloaded}${
    result.tight && "The range crosses the limit or leaves little: it may fail at start. "
  }${range}`;
}

/** "24.5 – 25.3 GiB", or one number where both ends read alike. */
export function rangeWords(low: number, high: number): string {
  const [a, b] = [formatGib(low), formatGib(high)];
  return a === b ? `${a} GiB` : `${a} – ${b} GiB`;
}

function countSlot(slots: Int16Array, slot: number): number {
  return slots.reduce((count, there) => count + (there === slot ? 1 : 0), 0);
}

function tightestOf({ result }: Scene, focus: Focus): { readonly slot: number; readonly bytes: number } | null {
  let best: { readonly slot: number; readonly bytes: number } | null = null;
  for (const slot of focus.slots) {
    const bytes = result.memory.by_device[slot]?.free_bytes ?? null;
    if (bytes !== null && (best === null || bytes < best.bytes)) best = { slot, bytes };
  }
  return best;
}

export function joinWords(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;
}

/** Longest context, sequences, download: what people ask next. */
export function metricsFragment(scene: Scene): Html {
  const { limits, model, download_bytes: download } = scene.result;
  const metric = (name: string, value: string, unit: string, meta: string): Html =>
    html`<div class="metric"><dt>${name}</dt><dd>${value}${unit !== "" && html`<small>${unit}</small>`}</dd><dd class="meta">${meta}</dd></div>`;
  const trained = model.context_trained;
  return html`<dl class="metrics">${metric(
    "Longest context",
    limits.max_context === null ? "–" : formatInteger(limits.max_context),
    "",
    trained === null
      ? "trained length not known"
      : limits.max_context === null
        ? "none fits"
        : `trained ${formatInteger(trained)}`,
  )}${metric(
    "Sequences that fit",
    limits.max_sequences === null ? "–" : formatInteger(limits.max_sequences),
    "",
    "at this context",
  )}${download !== null && download > 0 && metric("Download", formatDownload(download).replace(/ .*/, ""), formatDownload(download).replace(/.* /, ""), "weights as published")}</dl>`;
}

/** "Does not fit" always names what would; each is a link, so that it works without script and Back undoes it. */
export function changesFragment(scene: Scene, form: FormValues): Html {
  if (scene.result.status !== "does_not_fit") return html``;
  const changes = changesThatFit(scene.input, scene.result);
  if (changes.length === 0) {
    return html`<p class="dim after">No single change of context, cache type, weights or layers makes it fit on this device.</p>`;
  }
  return html`<div class="scroll changes"><table><caption>Any one of these makes it fit:</caption><thead class="vh"><tr><th>Change</th><th>Memory</th><th>Cost</th><th>Do it</th></tr></thead><tbody>${changes.map(
    (change) =>
      html`<tr><th scope="row">${change.name}</th><td class="num">${signedBytes(change.savedBytes)}</td><td class="dim hidephone">${change.cost}</td><td class="num"><a class="btn" href="${planHref(withValues(form, change.values))}" aria-label="Apply: ${change.name}">Apply</a></td></tr>`,
  )}</tbody></table></div>`;
}

/** One bar a device, all on one scale. System memory has one when layers lie in it. */
export function metersFragment(scene: DrawnScene): Html {
  const { result, machine } = scene;
  const host = machine.accelerators.length;
  const names = deviceNames(result, host);
  const focus = focusOf(scene);
  const layersOnHost = scene.drawn.plan.layers.slot.includes(host);
  const slots = [...focus.slots, ...(layersOnHost && !focus.slots.includes(host) ? [host] : [])];
  const rows = slots.flatMap((slot) => {
    const memory = result.memory.by_device[slot];
    const facts = result.devices[slot];
    return memory === undefined || facts === undefined ? [] : [{ slot, memory, facts }];
  });
  const scale = Math.max(
    1,
    ...rows.map(({ memory, facts }) => Math.max(facts.memory_bytes ?? 0, memory.reserved_bytes + memory.total_bytes)),
  );
  return html`${rows.map(({ slot, memory, facts }) => {
    const cap = facts.memory_bytes;
    const limit = facts.free_bytes ?? facts.usable_bytes ?? facts.memory_bytes;
    const left = memory.free_bytes;
    const parts = [
      ...(cap === null ? [] : [{ swatch: "reserved" as const, bytes: memory.reserved_bytes }]),
      ...partsOf(memory),
    ];
    return html`<div class="dev"><span class="name"><b>${names[slot] ?? facts.name}</b> <span class="dim">${layersOn(scene, slot)}</span></span><span class="barcell">${bar(parts, scale, cap, "meter")}</span><span class="num"><b>${formatGib(memory.total_bytes)}</b> <span class="dim">of ${limit === null ? "?" : formatGib(limit)} GiB</span></span><span class="num vs">${
      left === null
        ? "limit not known"
        : left < 0
          ? html`<b class="no">${formatGib(-left)} short</b>`
          : `${formatGib(left)} spare`
    }</span></div>`;
  })}`;
}

/** "0–55", "56–63, head". */
function layersOn({ drawn }: DrawnScene, slot: number): string {
  const own: number[] = [];
  drawn.plan.layers.slot.forEach((there, i) => {
    if (there === slot) own.push(i);
  });
  const words: string[] = [];
  const first = own[0];
  const last = own.at(-1);
  if (first !== undefined && last !== undefined) {
    words.push(
      last - first + 1 === own.length ? (first === last ? `${first}` : `${first}–${last}`) : `${own.length} layers`,
    );
  }
  if (drawn.plan.outside.some((part) => part.slot === slot && isHead(part.name))) words.push("head");
  return words.join(", ");
}
