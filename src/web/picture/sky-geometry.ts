/** Where everything of the layer picture lies, in CSS pixels: pure, so that it is tested without a canvas. */
import { GIB, MIB } from "../../math/units.ts";

export const LANE_HEIGHT = 18;
const LANES = 3;

export interface SkyGeometry {
  readonly phone: boolean;
  readonly width: number;
  readonly height: number;
  /** Left of the plot: the axis' numbers. */
  readonly gutter: number;
  readonly top: number;
  /** y of zero bytes. */
  readonly base: number;
  readonly plotHeight: number;
  /** x of layer 0, distance of two layers, width of a column. */
  readonly x0: number;
  readonly step: number;
  readonly column: number;
  readonly endWidth: number;
  readonly leftEnd: number;
  readonly rightEnd: number;
}

/** @param ends how many columns stand apart on the left (embedding) and on the right (head) */
export function skyGeometry(
  width: number,
  height: number,
  layers: number,
  ends: { readonly left: boolean; readonly right: boolean },
): SkyGeometry {
  const phone = width < 560;
  const gutter = phone ? 34 : 64;
  const gap = phone ? 5 : 12;
  const endWidth = phone ? 9 : 22;
  const apart = endWidth + gap;
  const available = width - gutter - 2 - (ends.left ? apart : 0) - (ends.right ? apart : 0);
  const step = available / Math.max(1, layers);
  const between = step > 15 ? step * 0.26 : step > 9 ? 3 : step > 4 ? 1.5 : step > 2.5 ? 0.8 : 0;
  // A model of few layers must not look like a wall: columns stop growing, their places do not.
  const column = Math.min(46, Math.max(1, step - between));
  const top = 26;
  const plotHeight = height - top - (LANES * LANE_HEIGHT + 22);
  const x0 = gutter + (ends.left ? apart : 0) + Math.max(0, (step - between - column) / 2);
  return {
    phone,
    width,
    height,
    gutter,
    top,
    base: top + plotHeight,
    plotHeight,
    x0,
    step,
    column,
    endWidth,
    leftEnd: gutter + 2,
    rightEnd: width - endWidth - (phone ? 0 : 2),
  };
}

/** Left edge and width of a layer's column; whole pixels where there is room for them. */
export function columnOf(g: SkyGeometry, layer: number): readonly [number, number] {
  const x = g.x0 + layer * g.step;
  if (g.step <= 5) return [x, g.column];
  const left = Math.round(x);
  return [left, Math.round(x + g.column) - left];
}

/** The layer under a pointer, or null beside the columns. */
export function layerAt(g: SkyGeometry, layers: number, x: number): number | null {
  const i = Math.floor((x - g.x0 + (g.step - g.column) / 2) / g.step);
  return i >= 0 && i < layers ? i : null;
}

export interface SkyAxis {
  /** Bytes between two lines, a power of two; at most five lines. */
  readonly unit: number;
  readonly pixelsPerByte: number;
  readonly max: number;
  /** Numbers in GiB rather than MiB. */
  readonly gib: boolean;
}

/** One scale from zero for the whole picture: GiB from 1.5 GiB up, else MiB. */
export function skyAxis(max: number, plotHeight: number): SkyAxis {
  const room = Math.max(max, 1) * 1.02;
  let unit = MIB / 64;
  while (room / unit > 4.5) unit *= 2;
  return { unit, pixelsPerByte: plotHeight / room, max: room, gib: max >= 1.5 * GIB };
}

const withDigits = (digits: number): Intl.NumberFormat =>
  new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

const NUMBERS = [withDigits(0), withDigits(1), withDigits(2)] as const;

export function axisNumber(axis: SkyAxis, bytes: number): string {
  if (bytes === 0) return "0";
  const value = bytes / (axis.gib ? GIB : MIB);
  const digits = axis.gib ? (axis.unit < GIB / 2 ? 2 : 1) : axis.unit < MIB ? 1 : 0;
  return NUMBERS[digits].format(value);
}

/** Which layers get a number under them: first, last and a regular few. */
export function numberedLayers(layers: number, phone: boolean): readonly number[] {
  const every = phone ? Math.max(4, Math.ceil(layers / 4 / 8) * 8) : layers > 40 ? Math.ceil(layers / 80) * 8 : 4;
  const numbers: number[] = [];
  for (let i = 0; i === 0 || i < layers - every / 3; i += every) numbers.push(i);
  if (layers > 1) numbers.push(layers - 1);
  return numbers;
}

/** A hairline lies on half a pixel. */
export function crisp(v: number): number {
  return Math.round(v) + 0.5;
}

/** x between a layer's column and the one before it. */
export function boundary(g: SkyGeometry, layer: number): number {
  return g.x0 + layer * g.step - (g.step - g.column) / 2 - 1;
}
