/** Memory against context: uPlot, stacked from the ground up, with marks for now, for what fits, and for what is free. */
import uPlot from "uplot";
import { formatGib, formatInteger } from "../../math/format.ts";
import { GIB } from "../../math/units.ts";
import { pattern } from "../picture/palette.ts";
import { CURVE_PARTS, type Curve } from "./curve.ts";

export interface Marks {
  readonly now: number;
  readonly nowBytes: number;
  readonly limit: number | null;
}

export interface Chart {
  /** While a hand moves: nothing beyond the window's edge, and new columns a few times a second. */
  readonly follow: (next: Charted) => void;
  readonly show: (next: Charted) => void;
  readonly restyle: () => void;
}

export interface Charted {
  /** Equal as long as the columns are: then only the marks have moved. */
  readonly key: string;
  /** At every so many-th context, straight lines between. */
  readonly curve: (every: number) => Curve;
  readonly marks: Marks;
}

const HEIGHT = 220;
/** Columns ask for a plan at each of some sixty contexts: as often as the eye follows, not in every frame. */
const CURVE_MS = 100;
/** Contexts of which one is planned meanwhile. */
const EVERY = 4;

type Fill = CanvasRenderingContext2D["fillStyle"];

const LOOKS: Readonly<
  Record<(typeof CURVE_PARTS)[number], readonly [string, "dots" | "rows" | "columns" | "diagonal" | null]>
> = {
  weights_bytes: ["--part-weights", null],
  state_bytes: ["--part-state", "dots"],
  overhead_bytes: ["--part-overhead", "columns"],
  output_bytes: ["--part-output", "rows"],
  compute_bytes: ["--part-compute", "diagonal"],
  kv_cache_bytes: ["--part-kv", null],
};

interface Inks {
  readonly ink: string;
  readonly quiet: string;
  readonly line: string;
  readonly no: string;
  readonly bg: string;
  readonly font: string;
}

export function memoryChart(host: HTMLElement): Chart {
  let curve: Curve | null = null;
  let marks: Marks | null = null;
  let plot: uPlot | null = null;
  let key: string | null = null;
  let madeAt = 0;
  let every = 1;
  let inWindow = true;

  const build = (): void => {
    plot?.destroy();
    plot = null;
    if (curve === null || host.clientWidth === 0) return;
    plot = new uPlot(
      optionsOf(
        host.clientWidth,
        () => marks,
        () => curve,
      ),
      columnsOf(curve),
      host,
    );
  };
  new ResizeObserver(() => {
    if (plot === null) build();
    else if (plot.width !== host.clientWidth) plot.setSize({ width: host.clientWidth, height: HEIGHT });
  }).observe(host);

  new IntersectionObserver((entries) => {
    inWindow = entries.at(-1)?.isIntersecting ?? true;
  }).observe(host);

  const moveMarks = (next: Charted): void => {
    marks = next.marks;
    plot?.redraw(false);
  };

  const make = (next: Charted, step: number): void => {
    marks = next.marks;
    key = next.key;
    every = step;
    madeAt = performance.now();
    const before = curve;
    curve = next.curve(step);
    if (plot === null || before?.contexts.length !== curve.contexts.length) build();
    else plot.setData(columnsOf(curve), true);
  };

  return {
    show(next) {
      if (next.key === key && every === 1) moveMarks(next);
      else make(next, 1);
    },
    follow(next) {
      if (!inWindow) return;
      if (next.key === key) moveMarks(next);
      else if (performance.now() - madeAt >= CURVE_MS) make(next, EVERY);
    },
    restyle: build,
  };
}

/** uPlot does not stack: sums from the top one down, each drawn over the one before. */
function columnsOf(curve: Curve): uPlot.AlignedData {
  const top = curve.stacked.toReversed().map((column) => column.map((bytes) => bytes / GIB));
  return [curve.contexts, ...top];
}

function inks(): Inks {
  const style = getComputedStyle(document.documentElement);
  const css = (name: string): string => style.getPropertyValue(name).trim();
  return {
    ink: css("--ink"),
    quiet: css("--ink-3"),
    line: css("--line"),
    no: css("--no"),
    bg: css("--bg"),
    font: `12px ${css("--font")}`,
  };
}

function optionsOf(width: number, marks: () => Marks | null, curve: () => Curve | null): uPlot.Options {
  const ink = inks();
  const style = getComputedStyle(document.documentElement);
  const fillOf = (part: (typeof CURVE_PARTS)[number]): ((u: uPlot) => Fill) => {
    const [name, kind] = LOOKS[part];
    const colour = style.getPropertyValue(name).trim();
    let made: Fill | null = null;
    return (u) => {
      made ??= kind === null ? colour : pattern(u.ctx, uPlot.pxRatio, colour, ink.bg, kind);
      return made;
    };
  };
  const axis = { stroke: ink.quiet, font: ink.font, ticks: { show: false } } as const;
  return {
    width,
    height: HEIGHT,
    padding: [20, 16, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    scales: {
      x: { time: false, distr: 3, log: 2 },
      y: { range: (_u, _min, max) => [0, Math.max(max, freeGib(curve()) * 1.04) * 1.04] },
    },
    axes: [
      {
        ...axis,
        size: 24,
        gap: 4,
        grid: { show: false },
        filter: (_u, splits) => splits,
        splits: (u) => powers(u.scales.x?.min ?? 1024, u.scales.x?.max ?? 1024),
        values: (_u, splits) =>
          splits.map((tokens) => (tokens >= 1024 ? `${formatInteger(tokens / 1024)}k` : String(tokens))),
      },
      {
        ...axis,
        size: 36,
        gap: 6,
        grid: { stroke: ink.line, width: 1 },
        values: (_u, splits) => splits.map((gib) => String(Math.round(gib * 10) / 10)),
      },
    ],
    series: [
      {},
      ...CURVE_PARTS.toReversed().map((part) => ({
        stroke: ink.bg,
        width: 0.75,
        fill: fillOf(part),
        points: { show: false },
      })),
    ],
    hooks: { draw: [(u) => drawMarks(u, ink, marks(), curve())] },
  };
}

function freeGib(curve: Curve | null): number {
  return (curve?.freeBytes ?? 0) / GIB;
}

/** Powers of four between the ends, so that the numbers have room. */
function powers(min: number, max: number): number[] {
  const list: number[] = [];
  for (let tokens = 1024; tokens <= max; tokens *= 4) if (tokens >= min) list.push(tokens);
  if (max >= 2 * (list.at(-1) ?? max)) list.push(max);
  return list.length > 1 ? list : [min, max];
}

function drawMarks(u: uPlot, ink: Inks, marks: Marks | null, curve: Curve | null): void {
  if (marks === null || curve === null) return;
  const { ctx } = u;
  const ratio = uPlot.pxRatio;
  const { left, top, width, height } = u.bbox;
  const right = left + width;
  ctx.save();
  ctx.font = `600 ${12 * ratio}px ${ink.font.slice(5)}`;
  ctx.lineWidth = 1.5 * ratio;
  ctx.textBaseline = "bottom";
  if (curve.freeBytes !== null) {
    const y = u.valToPos(curve.freeBytes / GIB, "y", true);
    ctx.strokeStyle = ctx.fillStyle = ink.ink;
    ctx.lineWidth = ratio;
    ctx.setLineDash([5 * ratio, 3 * ratio]);
    line(ctx, left, y, right, y);
    ctx.setLineDash([]);
    ctx.textAlign = "left";
    halo(ctx, ink, `${formatGib(curve.freeBytes)} free`, left + 4 * ratio, y - 3 * ratio);
  }
  ctx.lineWidth = 1.5 * ratio;
  const last = curve.contexts.at(-1) ?? 0;
  const first = curve.contexts[0] ?? 0;
  const now = u.valToPos(Math.min(last, Math.max(first, marks.now)), "x", true);
  const limit =
    marks.limit === null || marks.limit >= last ? null : u.valToPos(Math.max(first, marks.limit), "x", true);
  if (limit !== null) {
    ctx.strokeStyle = ink.no;
    line(ctx, limit, top, limit, top + height);
    ctx.fillStyle = ink.ink;
    ctx.textAlign = limit >= now ? "left" : "right";
    ctx.fillText("limit", Math.min(limit + (limit >= now ? 4 : -4) * ratio, right), top - 3 * ratio);
  }
  ctx.strokeStyle = ctx.fillStyle = ink.ink;
  line(ctx, now, top, now, top + height);
  const text = `now ${formatGib(marks.nowBytes)}`;
  const room = ctx.measureText(text).width + 6 * ratio;
  const toLeft = limit === null ? now - room > left : limit >= now ? now - room > left : now + room > right;
  ctx.textAlign = toLeft ? "right" : "left";
  ctx.fillText(text, now + (toLeft ? -4 : 4) * ratio, top - 3 * ratio);
  ctx.restore();
}

function line(ctx: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number): void {
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
}

/** Text that stays readable over a filled area. */
function halo(ctx: CanvasRenderingContext2D, ink: Inks, text: string, x: number, y: number): void {
  ctx.save();
  ctx.strokeStyle = ink.bg;
  ctx.lineWidth = 4 * uPlot.pxRatio;
  ctx.lineJoin = "round";
  ctx.strokeText(text, x, y);
  ctx.restore();
  ctx.fillText(text, x, y);
}
