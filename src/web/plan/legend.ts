/** Words of the picture: what kinds of layers there are, what each colour adds up to, and the readout of one layer. */
import { formatBytes, formatInteger, formatMib } from "../../math/format.ts";
import type { FeedForward, Mixer, MixerKind } from "../../math/model.ts";
import { MIXER_KINDS } from "../../math/model.ts";
import { MIB } from "../../math/units.ts";
import { type Html, html } from "../html.ts";
import { deviceNames } from "./focus.ts";
import { FEED_FORWARD_WORDS, glyph, MIXER_WORDS } from "./glyphs.ts";
import { expertsApart } from "./layer-rows.ts";
import { isEmbedding, isHead } from "./outside.ts";
import type { DrawnScene } from "./scene.ts";

/** "full 16, state 48, dense 64". */
export function kindsLegend({ drawn }: DrawnScene): Html {
  const mixers = new Map<MixerKind, number>();
  const feed = new Map<FeedForward["kind"], number>();
  for (const layer of drawn.model.layers) {
    for (const kind of new Set(layer.mixers.map((mixer) => mixer.kind))) mixers.set(kind, (mixers.get(kind) ?? 0) + 1);
    feed.set(layer.feedForward.kind, (feed.get(layer.feedForward.kind) ?? 0) + 1);
  }
  const attention = MIXER_KINDS.flatMap((kind) => {
    const count = mixers.get(kind);
    return count === undefined ? [] : [html`<span>${glyph(kind)}${MIXER_WORDS[kind]}<b>${count}</b></span>`];
  });
  const feeds = (["dense", "moe"] as const).flatMap((kind) => {
    const count = feed.get(kind);
    return count === undefined ? [] : [html`<span>${glyph(kind)}${FEED_FORWARD_WORDS[kind]}<b>${count}</b></span>`];
  });
  return html`${attention}${feeds}`;
}

export function partsLegend({ drawn, result, machine }: DrawnScene): Html {
  const { plan } = drawn;
  const sum = (column: Float64Array): number => column.reduce((total, bytes) => total + bytes, 0);
  const item = (swatch: string, name: string, bytes: number): Html | false =>
    bytes > 0 && html`<li><span class="sw ${swatch}"></span>${name}<b>${formatBytes(bytes)}</b></li>`;
  const host = machine.accelerators.length;
  const outside = (test: (name: string) => boolean): number =>
    plan.outside.reduce((total, part) => total + (test(part.name) ? part.bytes : 0), 0);
  const embeddingOnHost = plan.outside.some((part) => isEmbedding(part.name) && part.slot === host);
  const limit = result.limits.max_context;
  const grows = drawn.growth.some((bytes) => bytes > 0);
  return html`${item("weights", "Weights of layers", sum(plan.layers.weights))}${item("kv", "KV cache", sum(plan.layers.kv))}${item("state", "State", sum(plan.layers.state))}${item("output", "Output head", outside(isHead))}${item(embeddingOnHost && host > 0 ? "ram" : "output", embeddingOnHost && host > 0 ? "Embedding, in system memory" : "Embedding", outside(isEmbedding))}${
    limit !== null &&
    grows &&
    limit !== drawn.context &&
    html`<li><span class="sw ghost"></span>${limit < drawn.context ? "over the limit of" : "KV at the limit,"} ${formatInteger(limit)}</li>`
  }`;
}

/** "KV grows here: 16 full-attention layers, +4.0 MiB each per 1,024 tokens"; null where nothing grows. */
export function growthNote({ drawn }: DrawnScene, phone: boolean): string | null {
  let layers = 0;
  let each = 0;
  for (const bytes of drawn.growth) {
    if (bytes === 0) continue;
    layers++;
    each = Math.max(each, bytes);
  }
  if (layers === 0) return null;
  const word = layers === 1 ? "layer" : "layers";
  if (phone) return `KV grows here: ${layers} ${word}`;
  return `KV grows here: ${layers} ${word}, +${smallMib(each)} each per 1,024 tokens`;
}

export function smallMib(bytes: number): string {
  return bytes >= 10 * MIB ? `${formatMib(bytes)} MiB` : `${(bytes / MIB).toFixed(bytes < MIB ? 2 : 1)} MiB`;
}

/** One layer in words and numbers, at a fixed place: the picture has no floating tooltip. */
export function readoutFragment(scene: DrawnScene, index: number): Html {
  const { drawn, result, machine } = scene;
  const layer = drawn.model.layers[index];
  if (layer === undefined) return html``;
  const { layers } = drawn.plan;
  const weights = layers.weights[index] ?? 0;
  const kv = layers.kv[index] ?? 0;
  const state = layers.state[index] ?? 0;
  const device = deviceNames(result, machine.accelerators.length)[layers.slot[index] ?? 0] ?? "";
  const kinds = [
    ...layer.mixers.map((mixer) => MIXER_WORDS[mixer.kind]),
    FEED_FORWARD_WORDS[layer.feedForward.kind],
    expertsApart(drawn, index) ? `${device}, experts in system memory` : device,
  ];
  return html`<b>Layer ${index}</b> <span>${kinds.join(" · ")}</span> <span><span class="sw weights"></span>${formatMib(weights)}${
    kv > 0 && html` + <span class="sw kv"></span>${formatMib(kv)}`
  }${state > 0 && html` + <span class="sw state"></span>${smallMib(state).replace(" MiB", "")}`} = <b>${formatMib(weights + kv + state)} MiB</b></span> <span class="f">${formulaOf(scene, index)}</span>`;
}

function formulaOf({ drawn, result }: DrawnScene, index: number): string {
  const layer = drawn.model.layers[index];
  if (layer === undefined) return "";
  if (layer.kvSharedWith !== null) return `reads the keys and values of layer ${layer.kvSharedWith}`;
  const cells = drawn.plan.layers.cells[index] ?? 0;
  const type = String(result.options.kv_type ?? "f16");
  return layer.mixers.map((mixer) => mixerFormula(mixer, cells, type, drawn.sequences)).join("; ");
}

function mixerFormula(mixer: Mixer, cells: number, type: string, sequences: number): string {
  const times = formatInteger(cells);
  if (mixer.kind === "state") {
    const once = `state = 4 B × (${formatInteger(mixer.convElements)} + ${formatInteger(mixer.stateElements)})`;
    return sequences > 1 ? `${once} × ${sequences}` : once;
  }
  if (mixer.kind === "latent") return `KV = (${mixer.kvLoraRank} + ${mixer.ropeDim}) × ${type} × ${times}`;
  const heads = `${mixer.kvHeads} ${mixer.kvHeads === 1 ? "head" : "heads"}`;
  const sizes = mixer.headDimK === mixer.headDimV ? `2 × ${mixer.headDimK}` : `(${mixer.headDimK} + ${mixer.headDimV})`;
  return `KV = ${heads} × ${sizes} × ${type} × ${times}`;
}
