/** The alphabet of layer kinds, drawn on the canvas: one sign per attention kind and one per feed-forward kind. */
import type { FeedForward, MixerKind } from "../../math/model.ts";

export type GlyphKind = MixerKind | Exclude<FeedForward["kind"], "none">;

export function drawGlyph(
  c: CanvasRenderingContext2D,
  kind: GlyphKind,
  x: number,
  y: number,
  width: number,
  height: number,
): void {
  switch (kind) {
    case "full":
      c.fillRect(x, y, width, height);
      return;
    case "sliding":
      c.globalAlpha = 0.55;
      c.fillRect(x, y + height * 0.6, width, height * 0.4);
      c.globalAlpha = 1;
      return;
    case "chunked":
      c.fillRect(x, y + height * 0.6, width * 0.4, height * 0.4);
      c.fillRect(x + width * 0.6, y + height * 0.6, width * 0.4, height * 0.4);
      return;
    case "latent":
      c.fillRect(x, y + height / 2 - 1, width, 2);
      return;
    case "state": {
      c.lineWidth = 1.25;
      c.beginPath();
      c.arc(x + width / 2, y + height / 2, Math.max(1.2, Math.min(width, height) * 0.3), 0, 7);
      if (width < 8) c.fill();
      else c.stroke();
      return;
    }
    case "dense":
      c.globalAlpha = 0.55;
      c.fillRect(x, y + height / 2 - 1, width, 2);
      c.globalAlpha = 1;
      return;
    case "moe": {
      const size = width > 8 ? 2.2 : 1.4;
      const columns = width > 11 ? 3 : width > 3 ? 2 : 1;
      const gap = width / columns;
      for (let a = 0; a < columns; a++) {
        for (const b of [0.28, 0.72]) c.fillRect(x + gap * (a + 0.5) - size / 2, y + height * b - size / 2, size, size);
      }
      return;
    }
    default:
      kind satisfies never;
  }
}
