/** Memory against context: the columns uPlot draws, and the same as a table. */
import { formatBytes, formatGib, formatInteger } from "../../math/format.ts";
import { planModel } from "../../math/plan.ts";
import { type Html, html } from "../html.ts";
import { focusOf } from "./focus.ts";
import { contextPlaces } from "./positions.ts";
import type { DrawnScene } from "./scene.ts";

/** From the ground up. KV on top, since it is what grows. */
export const CURVE_PARTS = [
  "weights_bytes",
  "state_bytes",
  "overhead_bytes",
  "output_bytes",
  "compute_bytes",
  "kv_cache_bytes",
] as const;

export interface Curve {
  readonly contexts: Float64Array;
  /** By part of CURVE_PARTS: bytes of it and all below it, in the memory the plan is judged by. */
  readonly stacked: readonly Float64Array[];
  readonly freeBytes: number | null;
}

/**
 * Places of the context slider, so that "now" always lies on the curve.
 * @param every plans are made at every so many-th place and at the last; between them stand straight lines
 */
export function curveOf(scene: DrawnScene, every: number): Curve {
  const trained = scene.result.model.context_trained ?? Math.max(scene.drawn.context, 8192);
  const contexts = Float64Array.from(contextPlaces(trained));
  const focus = focusOf(scene);
  const stacked = CURVE_PARTS.map(() => new Float64Array(contexts.length));
  let before = 0;
  contexts.forEach((context, i) => {
    if (i % every !== 0 && i !== contexts.length - 1) return;
    const { parts } = scene.drawn.plan.at(context);
    let below = 0;
    CURVE_PARTS.forEach((part, k) => {
      for (const slot of focus.slots) below += parts[part][slot] ?? 0;
      const column = stacked[k];
      if (column === undefined) return;
      column[i] = below;
      for (let j = before + 1; j < i; j++) column[j] = between(contexts, column, before, i, j);
    });
    before = i;
  });
  return { contexts, stacked, freeBytes: focus.freeBytes };
}

/** On the line from one place to another: caches and masks grow in proportion to the context. */
function between(contexts: Float64Array, column: Float64Array, from: number, to: number, at: number): number {
  const [x0, x1, x] = [contexts[from] ?? 0, contexts[to] ?? 0, contexts[at] ?? 0];
  const [y0, y1] = [column[from] ?? 0, column[to] ?? 0];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}

/** Powers of two and the trained context: memory, KV, and whether it fits with the layers where they are. */
export function curveTable(scene: DrawnScene): Html {
  const trained = scene.result.model.context_trained ?? scene.drawn.context;
  const contexts: number[] = [];
  for (let c = 1024; c < trained; c *= 2) contexts.push(c);
  contexts.push(trained);
  while (contexts.length > 9) contexts.splice(0, 1);
  return html`<div class="scroll"><table><caption class="vh">Memory at other contexts, everything else as it is</caption><thead><tr><th scope="col">Context</th><th scope="col" class="num">KV cache</th><th scope="col" class="num">GiB</th><th scope="col" class="num">Spare</th></tr></thead><tbody>${contexts.map(
    (context) => curveRow(scene, context),
  )}</tbody></table></div>`;
}

function curveRow(scene: DrawnScene, context: number): Html {
  const { input, drawn } = scene;
  const gpuLayers = drawn.plan.options.gpu_layers;
  const there = planModel({
    ...input,
    options: { ...input.options, context, gpuLayers: typeof gpuLayers === "number" ? gpuLayers : null },
  });
  if (there.status !== "planned") return html``;
  const { slots } = focusOf(scene);
  const sum = (column: Float64Array): number => slots.reduce((total, slot) => total + (column[slot] ?? 0), 0);
  const left = there.plan.spare.filter((bytes): bytes is number => bytes !== null);
  const least =
    left.length === 0
      ? null
      : Math.min(
          ...slots.map((slot) => there.plan.spare[slot] ?? Number.POSITIVE_INFINITY),
          ...left.filter((bytes) => bytes < 0),
        );
  return html`<tr${context === drawn.context && html` class="sel"`}><th scope="row">${formatInteger(context)}</th><td class="num">${formatBytes(sum(there.plan.parts.kv_cache_bytes))}</td><td class="num">${formatGib(sum(there.plan.total))}</td><td class="num">${
    least === null || !Number.isFinite(least)
      ? "not known"
      : least < 0
        ? html`<b class="no">${formatBytes(-least)} short</b>`
        : formatBytes(least)
  }</td></tr>`;
}
