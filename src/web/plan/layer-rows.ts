/** The picture's numbers as rows: layers that are alike in one, then what stands outside them. Rows add up to the total. */
import type { MixerKind } from "../../math/model.ts";
import { outsideName } from "./outside.ts";
import type { Swatch } from "./parts.ts";
import type { DrawnScene } from "./scene.ts";

export interface LayerRow {
  /** Layers of the row; empty for what stands outside. */
  readonly layers: readonly number[];
  readonly name: string;
  readonly mixers: readonly MixerKind[];
  readonly feedForward: "dense" | "moe" | "none" | null;
  readonly slot: number;
  /** The layer's routed experts lie in system memory: its weights are in two places. */
  readonly expertsApart: boolean;
  readonly weightsBytes: number;
  readonly kvBytes: number;
  readonly stateBytes: number;
  /** What has no column of its own: compute, output, driver. */
  readonly otherBytes: number;
  readonly otherSwatch: Swatch | null;
  /** Of one layer. */
  readonly eachBytes: number;
}

export function rowBytes(row: LayerRow): number {
  return row.eachBytes * Math.max(1, row.layers.length);
}

export function layerRows({ drawn }: DrawnScene): readonly LayerRow[] {
  return [...foldLayers(drawn), ...outsideRows(drawn), ...bufferRows(drawn)];
}

/** --cpu-moe: the experts of the first so many layers stay in system memory. */
export function expertsApart({ model, plan }: DrawnScene["drawn"], layer: number): boolean {
  const apart = plan.options.cpu_moe_layers;
  const host = plan.slots.length - 1;
  return (
    typeof apart === "number" &&
    layer < apart &&
    plan.layers.slot[layer] !== host &&
    model.layers[layer]?.feedForward.kind === "moe"
  );
}

function foldLayers(drawn: DrawnScene["drawn"]): LayerRow[] {
  const { model, plan } = drawn;
  const rows = new Map<string, { layers: number[]; row: Omit<LayerRow, "layers" | "name"> }>();
  model.layers.forEach((layer, i) => {
    const mixers = layer.mixers.map((mixer) => mixer.kind);
    const slot = plan.layers.slot[i] ?? 0;
    const weightsBytes = plan.layers.weights[i] ?? 0;
    const kvBytes = plan.layers.kv[i] ?? 0;
    const stateBytes = plan.layers.state[i] ?? 0;
    const apart = expertsApart(drawn, i);
    const key = [
      apart,
      mixers,
      layer.feedForward.kind,
      layer.kvSharedWith !== null,
      slot,
      weightsBytes,
      kvBytes,
      stateBytes,
    ].join();
    const known = rows.get(key);
    if (known !== undefined) {
      known.layers.push(i);
      return;
    }
    rows.set(key, {
      layers: [i],
      row: {
        mixers,
        feedForward: layer.feedForward.kind,
        slot,
        expertsApart: apart,
        weightsBytes,
        kvBytes,
        stateBytes,
        otherBytes: 0,
        otherSwatch: null,
        eachBytes: weightsBytes + kvBytes + stateBytes,
      },
    });
  });
  return [...rows.values()].map(({ layers, row }) => ({ ...row, layers, name: rangesOf(layers) }));
}

const OUTSIDE = {
  layers: [],
  mixers: [],
  feedForward: null,
  expertsApart: false,
  weightsBytes: 0,
  kvBytes: 0,
  stateBytes: 0,
  otherBytes: 0,
  otherSwatch: null,
} as const;

function outsideRows({ plan }: DrawnScene["drawn"]): LayerRow[] {
  const rows = new Map<string, LayerRow>();
  for (const part of plan.outside) {
    const name = outsideName(part.name);
    const key = `${name} ${part.slot}`;
    const bytes = (rows.get(key)?.eachBytes ?? 0) + part.bytes;
    rows.set(key, { ...OUTSIDE, name, slot: part.slot, weightsBytes: bytes, eachBytes: bytes });
  }
  return [...rows.values()];
}

const BUFFERS = [
  ["compute_bytes", "Compute", "compute"],
  ["output_bytes", "Output buffer", "output"],
  ["overhead_bytes", "Driver", "overhead"],
] as const;

function bufferRows({ plan }: DrawnScene["drawn"]): LayerRow[] {
  return plan.slots.flatMap((_, slot) =>
    BUFFERS.flatMap(([part, name, otherSwatch]) => {
      const bytes = plan.parts[part][slot] ?? 0;
      return bytes === 0 ? [] : [{ ...OUTSIDE, name, slot, otherBytes: bytes, otherSwatch, eachBytes: bytes }];
    }),
  );
}

/** "0–2, 4–6 … 52": at most three runs, the last always. */
export function rangesOf(layers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const i of layers) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === i - 1) last[1] = i;
    else runs.push([i, i]);
  }
  const words = runs.map(([a, b]) => (a === b ? `${a}` : `${a}–${b}`));
  const [first, second] = words;
  return words.length > 3 ? `${first}, ${second} … ${words.at(-1)}` : words.join(", ");
}
