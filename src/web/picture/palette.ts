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
  /** A dashed outline, open below. */
  readonly ghostColumn: ColumnImage;
  /** Stripes that make what lies over the limit paler. */
  readonly beyondColumn: ColumnImage;
  /** Device pixels of a CSS pixel. */
  readonly ratio: number;
}

/**
 * What a hundred columns have alike, in device pixels and as high as the plot, to be cut to measure: an image is copied,
 * strokes with dashes and fills with patterns are computed, which cost more than all else in the picture.
 */
export type ColumnImage = (width: number, height: number) => HTMLCanvasElement;

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
    stateFill: scaled(pattern(context, ratio, css("--part-state"), bg, "dots"), ratio),
    outputFill: scaled(pattern(context, ratio, css("--part-output"), bg, "rows"), ratio),
    ghostColumn: columnImage(ratio, (c, width, height) => {
      const line = Math.max(1, Math.round(ratio));
      c.strokeStyle = css("--part-ghost");
      c.lineWidth = line;
      c.setLineDash([3 * ratio, 2 * ratio]);
      c.strokeRect(line / 2, line / 2, width - line, height + line);
    }),
    beyondColumn: columnImage(ratio, (c, width, height) => {
      c.fillStyle = bg;
      c.globalAlpha = 0.55;
      const line = Math.max(1, Math.round(ratio));
      for (let y = line; y < height; y += 3 * line) c.fillRect(0, y, width, line);
    }),
    ratio,
  };
}

/** One image for each width of a column: there are two at most, and a few while a window is resized. */
function columnImage(
  ratio: number,
  paint: (c: CanvasRenderingContext2D, width: number, height: number) => void,
): ColumnImage {
  const made = new Map<string, HTMLCanvasElement>();
  return (width, height) => {
    const key = `${width} ${height}`;
    let image = made.get(key);
    if (image === undefined) {
      image = document.createElement("canvas");
      image.width = Math.max(1, Math.round(width * ratio));
      image.height = Math.max(1, Math.round(height * ratio));
      const c = image.getContext("2d");
      if (c !== null) paint(c, image.width, image.height);
      made.set(key, image);
    }
    return image;
  };
}

/** A tile lies in the canvas's own units: on a canvas that is scaled by `ratio` it would grow by it once more. */
function scaled(fill: CanvasPattern | string, ratio: number): CanvasPattern | string {
  if (typeof fill !== "string") fill.setTransform(new DOMMatrix().scale(1 / ratio));
  return fill;
}

/** A square of `size` CSS pixels, in device pixels. */
function tile(
  context: CanvasRenderingContext2D,
  ratio: number,
  size: number,
  paint: (c: CanvasRenderingContext2D) => void,
): CanvasPattern | null {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.max(1, Math.round(size * ratio));
  const c = canvas.getContext("2d");
  if (c === null) return null;
  c.scale(canvas.width / size, canvas.width / size);
  paint(c);
  return context.createPattern(canvas, "repeat");
}

/** A tile of 4 x 4 CSS pixels. */
export function pattern(
  context: CanvasRenderingContext2D,
  ratio: number,
  colour: string,
  bg: string,
  kind: "dots" | "rows" | "columns" | "diagonal",
): CanvasPattern | string {
  const made = tile(context, ratio, 4, (c) => {
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
  });
  return made ?? colour;
}
