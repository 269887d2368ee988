/** Bars as SVG in percent of their place: no width is known on the server, none is needed. */
import { type Html, html } from "../html.ts";
import type { Swatch } from "./parts.ts";

export interface BarPart {
  readonly swatch: Swatch | "reserved";
  readonly bytes: number;
}

/** A pattern needs an element of its own to be referred to: once a page, drawn in nothing. */
export const PATTERNS = html`<svg class="defs" aria-hidden="true" focusable="false"><defs>
<pattern id="p-state" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="d-state" width="4" height="4"/><rect class="d-bg" x="1" y="1" width="1.5" height="1.5" opacity=".85"/></pattern>
<pattern id="p-output" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="d-output" width="4" height="4"/><rect class="d-bg" y="2" width="4" height="2" opacity=".5"/></pattern>
<pattern id="p-overhead" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="d-overhead" width="4" height="4"/><rect class="d-bg" x="2" width="2" height="4" opacity=".5"/></pattern>
<pattern id="p-compute" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="d-compute" width="4" height="4"/><path class="d-line" d="M-1 3L3 -1M1 5L5 1"/></pattern>
<pattern id="p-reserved" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="d-sunk" width="4" height="4"/><path class="d-cross" d="M0 0L4 4M4 0L0 4"/></pattern>
</defs></svg>`;

const percent = (share: number): string => `${Math.round(share * 1e5) / 1e3}%`;

function rect(swatch: BarPart["swatch"], from: number, share: number): Html {
  const place = html`x="${percent(from)}" width="${percent(share)}" y="1" height="100%"`;
  if (swatch === "weights" || swatch === "kv") return html`<rect class="p p-${swatch}" ${place}/>`;
  return html`<rect class="p${swatch === "reserved" && " s-reserved"}" fill="url(#p-${swatch})" ${place}/>`;
}

/**
 * Parts side by side on a scale of `scale` bytes. With a capacity: its outline, and beyond it a red frame.
 * Parts under half a thousandth of the scale are not drawn: nobody could see them, the table has them.
 */
export function bar(parts: readonly BarPart[], scale: number, capacity: number | null, className: string): Html {
  const rects: Html[] = [];
  let at = 0;
  for (const { swatch, bytes } of parts) {
    const share = bytes / scale;
    if (share >= 0.0005) rects.push(rect(swatch, at, share));
    at += share;
  }
  const cap = capacity === null ? null : capacity / scale;
  const beyond = cap !== null && at > cap + 1e-6;
  return html`<svg class="${className}" aria-hidden="true" focusable="false">${
    cap !== null && html`<rect class="p-cap" width="${percent(cap)}" height="100%"/>`
  }${rects}${
    beyond &&
    html`<rect class="p-beyond" x="${percent(cap)}" width="${percent(at - cap)}" height="100%"/><rect class="p-end" x="${percent(cap)}" width="2" y="-3" height="26"/>`
  }</svg>`;
}
