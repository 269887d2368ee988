/**
 * The layer picture: one column a layer, with kinds and devices as lanes on the same x axis. Drawn on one canvas, once a
 * frame, from the same numbers as the table. What stands below the columns stays as it is while a slider moves their
 * heights: then only what is above is drawn anew.
 */
import type { Palette } from "./palette.ts";
import { drawEnd, drawKv, drawState, drawUnknown, drawWeights } from "./sky-columns.ts";
import type { SkyBytes, SkyShape } from "./sky-data.ts";
import {
  axisNumber,
  boundary,
  columnOf,
  crisp,
  LANE_HEIGHT,
  type SkyAxis,
  type SkyGeometry,
  skyAxis,
} from "./sky-geometry.ts";
import { drawBoundaries, drawLanes, drawNote, drawNumbers } from "./sky-lanes.ts";

export function drawSky(
  c: CanvasRenderingContext2D,
  g: SkyGeometry,
  p: Palette,
  shape: SkyShape,
  bytes: SkyBytes,
  part: "all" | "columns",
): void {
  const axis = skyAxis(tallest(shape, bytes), g.plotHeight);
  c.fillStyle = p.bg;
  c.fillRect(0, 0, g.width + 1, g.height + 1); // a last row of pixels that is covered in part, too
  c.textBaseline = "middle";
  c.font = p.font;
  drawGround(c, g, p, shape, axis, bytes.selected);
  drawWeights(c, g, p, axis, bytes);
  drawState(c, g, p, axis, bytes);
  drawKv(c, g, p, axis, shape, bytes);
  drawUnknown(c, g, p, axis, shape, bytes);
  drawEnd(c, g, p, axis, shape.embedding, g.leftEnd);
  drawEnd(c, g, p, axis, shape.head, g.rightEnd);
  drawBoundaries(c, g, p, shape);
  if (part === "all") {
    drawLanes(c, g, p, shape);
    drawNumbers(c, g, p, bytes.weights.length, bytes.selected);
  }
  if (bytes.note !== null) drawNote(c, g, p, shape, bytes.note);
}

/** Everything that the lower part shows: while it is equal, "columns" is enough. */
export function lanesKey(shape: SkyShape, selected: number | null): string {
  const runs = shape.devices.map(({ name, from, to }) => `${name} ${from} ${to}`);
  return [selected, shape.embedding !== null, shape.head !== null, ...runs].join("\n");
}

function tallest(shape: SkyShape, bytes: SkyBytes): number {
  let max = Math.max(shape.embedding?.bytes ?? 0, shape.head?.bytes ?? 0);
  for (let i = 0; i < bytes.weights.length; i++) {
    const kv = Math.max(bytes.kv[i] ?? 0, bytes.limitKv?.[i] ?? 0);
    max = Math.max(max, (bytes.weights[i] ?? 0) + (bytes.state[i] ?? 0) + kv);
  }
  return max;
}

function drawGround(
  c: CanvasRenderingContext2D,
  g: SkyGeometry,
  p: Palette,
  shape: SkyShape,
  axis: SkyAxis,
  selected: number | null,
): void {
  c.fillStyle = p.sunk;
  for (let k = 1; k < shape.devices.length; k += 2) {
    const run = shape.devices[k];
    if (run === undefined) continue;
    const from = boundary(g, run.from);
    const to = k === shape.devices.length - 1 ? g.width : boundary(g, run.to);
    c.fillRect(from, g.top - 4, to - from, g.plotHeight + 4);
  }
  if (selected !== null) {
    const [x, width] = columnOf(g, selected);
    c.fillStyle = p.select;
    c.fillRect(x - 2, g.top, width + 4, g.plotHeight + 2 * LANE_HEIGHT + 4);
  }
  c.lineWidth = 1;
  c.textAlign = "right";
  for (let v = 0; v <= axis.max; v += axis.unit) {
    const y = crisp(g.base - v * axis.pixelsPerByte);
    c.strokeStyle = v === 0 ? p.lineStrong : p.line;
    c.beginPath();
    c.moveTo(g.gutter, y);
    c.lineTo(g.width, y);
    c.stroke();
    c.fillStyle = p.ink3;
    const unit = v === 0 || g.phone ? "" : axis.gib ? " GiB" : " MiB";
    c.fillText(axisNumber(axis, v) + unit, g.gutter - 6, v === 0 ? y - 3 : y); // the lanes' words begin below
  }
  if (g.phone) c.fillText(axis.gib ? "GiB" : "MiB", g.gutter - 6, 10);
}
