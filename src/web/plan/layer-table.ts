/** The table behind the picture: the equivalent for a screen reader, and all there is without script. */
import { formatInteger, formatMib } from "../../math/format.ts";
import { MIB } from "../../math/units.ts";
import { type Html, html } from "../html.ts";
import { type BarPart, bar } from "./bars.ts";
import { deviceNames } from "./focus.ts";
import { glyph } from "./glyphs.ts";
import { type LayerRow, layerRows, rowBytes } from "./layer-rows.ts";
import type { DrawnScene } from "./scene.ts";

export function layerTable(scene: DrawnScene, selected: number | null): Html {
  const rows = layerRows(scene);
  const names = deviceNames(scene.result, scene.machine.accelerators.length);
  const scale = Math.max(1, ...rows.map((row) => row.eachBytes));
  const layers = scene.drawn.model.layers.length;
  const kinds = rows.filter((row) => row.layers.length > 0).length;
  return html`<summary>As a table: ${formatInteger(layers)} layers in ${formatInteger(kinds)} kinds</summary><div class="scroll"><table><caption class="vh">Memory by layer in MiB</caption><thead><tr><th scope="col">Layers</th><th scope="col" class="num">Equal</th><th scope="col" class="hidephone">Kind</th><th scope="col" class="hidephone">On</th><th scope="col">0 – ${formatMib(scale)} MiB a layer</th><th scope="col" class="num hidephone">Weights</th><th scope="col" class="num hidephone">KV</th><th scope="col" class="num hidephone">State</th><th scope="col" class="num">Each</th><th scope="col" class="num">All, MiB</th></tr></thead><tbody>${rows.map(
    (row) => tableRow(row, names, scale, selected),
  )}</tbody><tfoot>${foot(scene, names)}</tfoot></table></div>`;
}

function tableRow(row: LayerRow, names: readonly string[], scale: number, selected: number | null): Html {
  const chosen = selected !== null && row.layers.includes(selected);
  const parts: BarPart[] = [
    { swatch: row.layers.length > 0 ? "weights" : "output", bytes: row.weightsBytes },
    { swatch: "state", bytes: row.stateBytes },
    { swatch: "kv", bytes: row.kvBytes },
    ...(row.otherSwatch === null ? [] : [{ swatch: row.otherSwatch, bytes: row.otherBytes }]),
  ];
  return html`<tr${chosen && html` class="sel"`}><th scope="row">${row.name}</th><td class="num">${
    row.layers.length > 0 && `× ${row.layers.length}`
  }</td><td class="nowrap hidephone">${kindWords(row)}</td><td class="nowrap hidephone">${names[row.slot] ?? ""}${row.expertsApart && ", experts in system memory"}</td><td class="barcol">${bar(parts, scale, null, "bar")}</td><td class="num hidephone">${mib(
    row.weightsBytes,
  )}</td><td class="num hidephone">${mib(row.kvBytes)}</td><td class="num hidephone">${mib(row.stateBytes)}</td><td class="num"><b>${mib(row.eachBytes)}</b></td><td class="num">${mib(rowBytes(row))}</td></tr>`;
}

function kindWords(row: LayerRow): Html | null {
  if (row.layers.length === 0) return null;
  const mixers = row.mixers.map((kind) => html`${glyph(kind)}${kind}`);
  const parts: Html[] = mixers.flatMap((mixer, i) => (i === 0 ? [mixer] : [html` + `, mixer]));
  if (row.feedForward !== null && row.feedForward !== "none") {
    parts.push(html`${parts.length > 0 && ", "}${row.feedForward === "moe" ? "MoE" : "dense"}`);
  }
  return html`${parts}`;
}

/** Whole MiB; a fraction where there is less than ten; a dash for nothing. */
function mib(bytes: number): string {
  if (bytes === 0) return "–";
  if (bytes >= 10 * MIB) return formatMib(bytes);
  return bytes >= MIB / 20 ? (bytes / MIB).toFixed(1) : "< 0.1";
}

/** A line for each memory that is used, and the sum over all, from the plan itself: rows may lie in two places. */
function foot({ drawn, machine }: DrawnScene, names: readonly string[]): Html {
  const { plan } = drawn;
  const slots = plan.slots.map((_, slot) => slot).filter((slot) => (plan.total[slot] ?? 0) > 0);
  const line = (name: string, of: readonly number[]): Html => {
    const sum = (column: Float64Array): string => mib(of.reduce((total, slot) => total + (column[slot] ?? 0), 0));
    const layers = plan.layers.slot.reduce((count, slot) => count + (of.includes(slot) ? 1 : 0), 0);
    return html`<tr><th scope="row">${name}</th><td class="num">${layers > 0 && formatInteger(layers)}</td><td class="hidephone"></td><td class="hidephone"></td><td></td><td class="num hidephone">${sum(plan.parts.weights_bytes)}</td><td class="num hidephone">${sum(plan.parts.kv_cache_bytes)}</td><td class="num hidephone">${sum(plan.parts.state_bytes)}</td><td></td><td class="num">${sum(plan.total)}</td></tr>`;
  };
  const each =
    slots.length > 1 &&
    slots.map((slot) =>
      line(slot < machine.accelerators.length ? `On the ${names[slot] ?? ""}` : "In system memory", [slot]),
    );
  return html`${each}${line("Total", slots)}`;
}
