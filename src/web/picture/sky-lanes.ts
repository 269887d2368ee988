/** What stands under and over the columns: kinds, devices, numbers, and where KV grows. */
import { drawGlyph } from "./glyph.ts";
import type { Palette } from "./palette.ts";
import type { DeviceRun, SkyShape } from "./sky-data.ts";
import { boundary, columnOf, crisp, LANE_HEIGHT, numberedLayers, type SkyGeometry } from "./sky-geometry.ts";

export function drawLanes(c: CanvasRenderingContext2D, g: SkyGeometry, p: Palette, shape: SkyShape): void {
  const [attention, feed, device] = [0, 1, 2].map((k) => g.base + 4 + k * LANE_HEIGHT) as [number, number, number];
  if (!g.phone) {
    c.fillStyle = p.ink3;
    c.textAlign = "right";
    c.fillText("attention", g.gutter - 6, attention + 7);
    c.fillText("feed-fwd", g.gutter - 6, feed + 7);
    c.fillText("device", g.gutter - 6, device + 7);
  }
  c.fillStyle = c.strokeStyle = p.glyph;
  for (let i = 0; i < shape.mixers.length; i++) {
    const [x, width] = columnOf(g, i);
    const kinds = shape.mixers[i] ?? [];
    // Two mixers side by side in one layer share its place.
    kinds.forEach((kind, k) => {
      // The same for all layers, whatever pixel they fall on.
      const part = (kinds.length > 1 ? g.column : width) / kinds.length;
      drawGlyph(c, kind, x + k * part, attention + 2, kinds.length > 1 ? Math.max(1, part - 1) : width, 10);
    });
    const ff = shape.feedForward[i];
    if (ff !== undefined && ff !== "none") drawGlyph(c, ff, x, feed + 2, width, 10);
  }
  for (const run of shape.devices) drawDevice(c, g, p, run, device);
  if (g.phone) return;
  c.fillStyle = p.ink3;
  c.textAlign = "center";
  const label = (text: string, x: number): void => c.fillText(text, x + (g.endWidth - 4) / 2, g.height - 9);
  if (shape.embedding !== null) label("emb", g.leftEnd);
  if (shape.head !== null) label("head", g.rightEnd);
}

/** Where the next device's layers begin: through picture and lanes. */
export function drawBoundaries(c: CanvasRenderingContext2D, g: SkyGeometry, p: Palette, shape: SkyShape): void {
  for (const run of shape.devices.slice(1)) {
    const x = crisp(boundary(g, run.from));
    c.strokeStyle = p.ink;
    c.setLineDash([1, 2]);
    c.beginPath();
    c.moveTo(x, g.top - 4);
    c.lineTo(x, g.base + 3 * LANE_HEIGHT);
    c.stroke();
    c.setLineDash([]);
  }
}

function drawDevice(c: CanvasRenderingContext2D, g: SkyGeometry, p: Palette, run: DeviceRun, y: number): void {
  const from = g.x0 + run.from * g.step;
  const to = g.x0 + (run.to - 1) * g.step + g.column;
  c.strokeStyle = p.glyph;
  c.lineWidth = 1;
  c.beginPath();
  c.moveTo(crisp(from), y + 2);
  c.lineTo(crisp(from), y + 7.5);
  c.lineTo(crisp(to) - 1, y + 7.5);
  c.lineTo(crisp(to) - 1, y + 2);
  c.stroke();
  c.font = p.strong;
  const range = run.to - 1 === run.from ? String(run.from) : `${run.from}–${run.to - 1}`;
  const words = run.name.split(" ");
  const candidates = [`${run.name}  ·  ${range}`, run.name, words[words.length - 1] ?? ""];
  const text = candidates.find((t) => c.measureText(t).width < to - from - 14);
  if (text !== undefined && text !== "") {
    const width = c.measureText(text).width;
    const middle = (from + to) / 2;
    c.fillStyle = p.bg;
    c.fillRect(middle - width / 2 - 5, y, width + 10, 16);
    c.fillStyle = p.ink;
    c.textAlign = "center";
    c.fillText(text, middle, y + 7.5);
  }
  c.font = p.font;
}

export function drawNumbers(
  c: CanvasRenderingContext2D,
  g: SkyGeometry,
  p: Palette,
  layers: number,
  selected: number | null,
): void {
  const y = g.height - 9;
  const middle = (i: number): number => g.x0 + i * g.step + g.column / 2;
  c.textAlign = "center";
  c.fillStyle = p.ink3;
  for (const i of numberedLayers(layers, g.phone)) {
    if (selected === null || Math.abs(middle(i) - middle(selected)) > 22) c.fillText(String(i), middle(i), y);
  }
  if (selected === null) return;
  c.font = p.strong;
  c.fillStyle = p.ink;
  c.fillText(String(selected), middle(selected), y);
  c.font = p.font;
}

export function drawNote(c: CanvasRenderingContext2D, g: SkyGeometry, p: Palette, shape: SkyShape, note: string): void {
  const xs: number[] = [];
  shape.grows.forEach((on, i) => {
    if (on === 1) xs.push(g.x0 + i * g.step + g.column / 2);
  });
  const first = xs[0];
  const last = xs[xs.length - 1];
  if (first === undefined || last === undefined) return;
  const y = 16.5;
  c.strokeStyle = p.ghost;
  c.lineWidth = 1;
  c.beginPath();
  c.moveTo(crisp(first), y + 5);
  c.lineTo(crisp(first), y - 6.5);
  c.lineTo(crisp(last), y - 6.5);
  c.lineTo(crisp(last), y + 5);
  for (const x of xs) {
    c.moveTo(crisp(x), y - 6.5);
    c.lineTo(crisp(x), y - 2);
  }
  c.stroke();
  c.font = p.strong;
  const width = c.measureText(note).width;
  const x = Math.min(Math.max(g.gutter + 8, first + g.step * 0.6), Math.max(g.gutter + 8, g.width - width - 12));
  c.fillStyle = p.bg;
  c.fillRect(x - 5, y - 14, width + 10, 16);
  c.fillStyle = p.kvText;
  c.textAlign = "left";
  c.fillText(note, x, y - 6);
  c.font = p.font;
}
