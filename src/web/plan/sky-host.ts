/** The layer picture's canvas in the page: its size, theme and pointer. */
import { plannableBytes } from "../../math/machine.ts";
import type { ModelSpec } from "../../math/model.ts";
import { type Palette, readPalette } from "../picture/palette.ts";
import type { DeviceRun, SkyBytes, SkyShape } from "../picture/sky-data.ts";
import { layerAt, type SkyGeometry, skyGeometry } from "../picture/sky-geometry.ts";
import { drawSky, lanesKey } from "../picture/skyline.ts";
import { deviceNames } from "./focus.ts";
import { growthNote } from "./legend.ts";
import { isEmbedding, isHead } from "./outside.ts";
import type { DrawnScene } from "./scene.ts";

export interface SkyHost {
  readonly draw: (scene: DrawnScene, selected: number) => void;
  /** Colours are read anew before the next drawing. */
  readonly restyle: () => void;
}

export function skyHost(canvas: HTMLCanvasElement, onSelect: (layer: number) => void, onResize: () => void): SkyHost {
  const context = canvas.getContext("2d", { alpha: false });
  let palette: Palette | null = null;
  let geometry: SkyGeometry | null = null;
  let size = { width: 0, height: 0, ratio: 1 };
  let layers = 0;
  let lanes: string | null = null;
  const kinds = kindsMemo();

  const resize = (): void => {
    const ratio = Math.max(1, window.devicePixelRatio);
    const box = canvas.getBoundingClientRect();
    const width = Math.round(box.width);
    const height = Math.round(box.height);
    if (width === size.width && height === size.height && ratio === size.ratio) return;
    size = { width, height, ratio };
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    palette = lanes = null;
    geometry = null;
    onResize();
  };
  new ResizeObserver(resize).observe(canvas);

  canvas.addEventListener("pointermove", (event) => {
    const layer = geometry === null ? null : layerAt(geometry, layers, event.offsetX);
    if (layer !== null) onSelect(layer);
  });

  return {
    draw(scene, selected) {
      if (context === null) return;
      if (size.width === 0) resize();
      if (size.width === 0) return;
      const shape = shapeOf(scene, kinds(scene.drawn.model));
      layers = shape.mixers.length;
      palette ??= readPalette(context, size.ratio);
      geometry ??= skyGeometry(size.width, size.height, layers, {
        left: shape.embedding !== null,
        right: shape.head !== null,
      });
      context.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
      const key = lanesKey(shape, selected);
      const part = key === lanes ? "columns" : "all";
      lanes = key;
      context.save();
      if (part === "columns") {
        context.beginPath();
        context.rect(0, 0, size.width, Math.ceil((geometry.base + 1) * size.ratio) / size.ratio);
        context.clip();
      }
      drawSky(context, geometry, palette, shape, bytesOf(scene, selected, geometry.phone), part);
      context.restore();
    },
    restyle() {
      palette = lanes = null;
    },
  };
}

type Kinds = Pick<SkyShape, "mixers" | "feedForward">;

/** Kinds of layers are the same as long as the model is. */
function kindsMemo(): (model: ModelSpec) => Kinds {
  let last: { readonly layers: ModelSpec["layers"]; readonly kinds: Kinds } | null = null;
  return ({ layers }) => {
    if (last?.layers !== layers) {
      const mixers = layers.map((layer) => layer.mixers.map((mixer) => mixer.kind));
      last = { layers, kinds: { mixers, feedForward: layers.map((layer) => layer.feedForward.kind) } };
    }
    return last.kinds;
  };
}

function shapeOf({ drawn, result, machine }: DrawnScene, kinds: Kinds): SkyShape {
  const { plan, model } = drawn;
  const host = machine.accelerators.length;
  const names = deviceNames(result, host);
  const end = (test: (name: string) => boolean): SkyShape["head"] => {
    const parts = plan.outside.filter((part) => test(part.name));
    if (parts.length === 0) return null;
    const onHost = parts.every((part) => part.slot === host);
    return { bytes: parts.reduce((sum, part) => sum + part.bytes, 0), hollow: onHost && host > 0 };
  };
  return {
    ...kinds,
    grows: Uint8Array.from(drawn.growth, (bytes) => (bytes > 0 ? 1 : 0)),
    unknown: new Uint8Array(model.layers.length),
    devices: runsOf(plan.layers.slot, names),
    embedding: end(isEmbedding),
    head: end(isHead),
  };
}

function bytesOf(scene: DrawnScene, selected: number, phone: boolean): SkyBytes {
  const { plan, limitKv } = scene.drawn;
  const known =
    scene.machine.accelerators.some((device) => plannableBytes(device) !== null) ||
    plannableBytes(scene.machine.host) !== null;
  return {
    weights: plan.layers.weights,
    kv: plan.layers.kv,
    state: plan.layers.state,
    limitKv: known ? limitKv : null,
    note: growthNote(scene, phone),
    selected,
  };
}

function runsOf(slots: Int16Array, names: readonly string[]): DeviceRun[] {
  const runs: { name: string; from: number; to: number; slot: number }[] = [];
  slots.forEach((slot, i) => {
    const last = runs.at(-1);
    if (last !== undefined && last.slot === slot) last.to = i + 1;
    else runs.push({ name: names[slot] ?? "", from: i, to: i + 1, slot });
  });
  return runs;
}
