/** Colours and fill patterns of the canvas, read once from tokens.css and again when the theme or the zoom changes. */
export interface Palette {
  readonly ink: string;
  readonly ink3: string;
  readonly line: string;
  readonly lineStrong: string;
  readonly glyph: string;
  readonly bg: string;
  readonly sunk: string;
  readonly select: string;
  readonly no: string;
  readonly unknown: string;
  readonly ghost: string;
  readonly kvText: string;
  readonly state: string;
  readonly outputStroke: string;
  readonly font: string;
  readonly strong: string;
  readonly weights: string;
  readonly kv: string;
  readonly stateFill: CanvasPattern | string;
  readonly outputFill: CanvasPattern | string;
}

export function readPalette(context: CanvasRenderingContext2D, ratio: number): Palette {
  const style = getComputedStyle(document.documentElement);
  const css = (name: string): string => style.getPropertyValue(name).trim();
  const bg = css("--bg");
  const font = `12px ${css("--font")}`;
  return {
    ink: css("--ink"),
    ink3: css("--ink-3"),
    line: css("--line"),
    lineStrong: css("--line-strong"),
    glyph: css("--glyph"),
    bg,
    sunk: css("--sunk"),
    select: css("--select"),
    no: css("--no"),
    unknown: css("--unknown"),
    ghost: css("--part-ghost"),
    kvText: css("--part-kv-text"),
    state: css("--part-state"),
    outputStroke: css("--part-output"),
    font,
    strong: `600 ${font}`,
    weights: css("--part-weights"),
    kv: css("--part-kv"),
    stateFill: pattern(context, ratio, css("--part-state"), bg, "dots"),
    outputFill: pattern(context, ratio, css("--part-output"), bg, "rows"),
  };
}

/** A tile of 4 x 4 CSS pixels. */
export function pattern(
  context: CanvasRenderingContext2D,
  ratio: number,
  colour: string,
  bg: string,
  kind: "dots" | "rows" | "columns" | "diagonal",
): CanvasPattern | string {
  const tile = document.createElement("canvas");
  tile.width = tile.height = Math.max(1, Math.round(4 * ratio));
  const c = tile.getContext("2d");
  if (c === null) return colour;
  c.scale(ratio, ratio);
  c.fillStyle = colour;
  c.fillRect(0, 0, 4, 4);
  c.fillStyle = c.strokeStyle = bg;
  c.globalAlpha = kind === "dots" ? 0.85 : 0.5;
  if (kind === "dots") c.fillRect(1, 1, 1.4, 1.4);
  if (kind === "rows") c.fillRect(0, 2, 4, 2);
  if (kind === "columns") c.fillRect(2, 0, 2, 4);
  if (kind === "diagonal") {
    c.lineWidth = 1.5;
    c.beginPath();
    c.moveTo(-1, 3);
    c.lineTo(3, -1);
    c.moveTo(1, 5);
    c.lineTo(5, 1);
    c.stroke();
  }
  return context.createPattern(tile, "repeat") ?? colour;
}
