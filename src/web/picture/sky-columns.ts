/** The columns: weights below, state and KV above, the two ends apart. */
import type { ColumnImage, Palette } from "./palette.ts";
import type { SkyBytes, SkyEnd, SkyShape } from "./sky-data.ts";
import { columnOf, type SkyAxis, type SkyGeometry } from "./sky-geometry.ts";

export function drawWeights(
  c: CanvasRenderingContext2D,
  g: SkyGeometry,
  p: Palette,
  axis: SkyAxis,
  bytes: SkyBytes,
): void {
  c.fillStyle = p.weights;
  for (let i = 0; i < bytes.weights.length; i++) {
    const y = Math.round(g.base - (bytes.weights[i] ?? 0) * axis.pixelsPerByte);
    if (y >= g.base) continue;
    const [x, width] = columnOf(g, i);
    c.fillRect(x, y, width, Math.round(g.base) - y);
  }
}

export function drawState(
  c: CanvasRenderingContext2D,
  g: SkyGeometry,
  p: Palette,
  axis: SkyAxis,
  bytes: SkyBytes,
): void {
  for (let i = 0; i < bytes.state.length; i++) {
    const state = bytes.state[i] ?? 0;
    if (state === 0) continue;
    const [x, width] = columnOf(g, i);
    const foot = Math.round(g.base - (bytes.weights[i] ?? 0) * axis.pixelsPerByte);
    const height = Math.max(3, Math.round(state * axis.pixelsPerByte));
    c.fillStyle = p.bg;
    c.fillRect(x, foot - height - 1, width, height + 1);
    c.fillStyle = height > 6 ? p.stateFill : p.state;
    c.fillRect(x, foot - height - 1, width, height);
  }
}

export function drawKv(
  c: CanvasRenderingContext2D,
  g: SkyGeometry,
  p: Palette,
  axis: SkyAxis,
  shape: SkyShape,
  bytes: SkyBytes,
): void {
  const k = axis.pixelsPerByte;
  for (let i = 0; i < bytes.kv.length; i++) {
    const kv = bytes.kv[i] ?? 0;
    if (kv === 0 && (bytes.limitKv?.[i] ?? 0) === 0) continue;
    const [x, width] = columnOf(g, i);
    const state = bytes.state[i] ?? 0;
    const below = (bytes.weights[i] ?? 0) + (state > 0 ? Math.max(state, 4 / k) : 0);
    const foot = Math.round(g.base - below * k);
    const head = Math.min(foot - 1, Math.round(g.base - (below + kv) * k));
    c.fillStyle = p.kv;
    c.fillRect(x, head, width, foot - head - (foot - head > 2 ? 1 : 0));
    const limit = bytes.limitKv?.[i];
    if (limit === undefined || shape.grows[i] !== 1) continue;
    const mark = Math.round(g.base - (below + limit) * k);
    if (mark < head - 1) {
      drawColumnImage(c, g, p, p.ghostColumn, x, mark, width, head - mark);
    } else if (mark > head + 1) {
      drawColumnImage(c, g, p, p.beyondColumn, x, head, width, mark - head);
      c.fillStyle = p.no;
      c.fillRect(x - 2, mark - 1, width + 4, 2);
    }
  }
}

/** The upper part of the image, from its top: whole pixels on whole pixels. */
function drawColumnImage(
  c: CanvasRenderingContext2D,
  g: SkyGeometry,
  p: Palette,
  image: ColumnImage,
  x: number,
  y: number,
  width: number,
  height: number,
): void {
  const whole = image(width, Math.ceil(g.plotHeight));
  c.drawImage(whole, 0, 0, whole.width, height * p.ratio, x, y, width, height);
}

export function drawUnknown(
  c: CanvasRenderingContext2D,
  g: SkyGeometry,
  p: Palette,
  axis: SkyAxis,
  shape: SkyShape,
  bytes: SkyBytes,
): void {
  c.strokeStyle = c.fillStyle = p.unknown;
  c.textAlign = "center";
  c.setLineDash([2, 3]);
  for (let i = 0; i < shape.unknown.length; i++) {
    if (shape.unknown[i] !== 1) continue;
    const [x, width] = columnOf(g, i);
    const foot = Math.round(g.base - (bytes.weights[i] ?? 0) * axis.pixelsPerByte);
    const head = Math.max(g.top + 2, foot - 26);
    c.beginPath();
    c.moveTo(x + 0.5, foot - 2);
    c.lineTo(x + 0.5, head);
    c.moveTo(x + width - 0.5, foot - 2);
    c.lineTo(x + width - 0.5, head);
    c.stroke();
    if (g.step > 12 || i % 2 === 0) c.fillText("?", x + width / 2, head + 10);
  }
  c.setLineDash([]);
}

export function drawEnd(
  c: CanvasRenderingContext2D,
  g: SkyGeometry,
  p: Palette,
  axis: SkyAxis,
  end: SkyEnd | null,
  x: number,
): void {
  if (end === null) return;
  const width = g.endWidth - 4;
  const y = Math.round(g.base - end.bytes * axis.pixelsPerByte);
  const foot = Math.round(g.base);
  if (end.hollow) {
    c.strokeStyle = p.outputStroke;
    c.lineWidth = 1;
    c.strokeRect(x + 0.5, y + 0.5, width - 1, Math.max(0, foot - y - 1));
    c.beginPath();
    for (let q = y + 4.5; q < foot; q += 4) {
      c.moveTo(x, q);
      c.lineTo(x + width, q);
    }
    c.globalAlpha = 0.6;
    c.stroke();
    c.globalAlpha = 1;
  } else {
    c.fillStyle = p.outputFill;
    c.fillRect(x, y, width, foot - y);
  }
}
