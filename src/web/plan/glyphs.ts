/** The signs of layer kinds for legends and tables, the same as on the canvas, with their words. */
import type { FeedForward, MixerKind } from "../../math/model.ts";
import { type Html, html } from "../html.ts";
import type { GlyphKind } from "../picture/glyph.ts";

const SHAPES: Readonly<Record<GlyphKind, Html>> = {
  full: html`<rect width="10" height="10"/>`,
  sliding: html`<rect y="6" width="10" height="4" opacity=".6"/>`,
  chunked: html`<path d="M0 6h4v4H0zM6 6h4v4H6z"/>`,
  latent: html`<rect y="4" width="10" height="2"/>`,
  state: html`<circle cx="5" cy="5" r="3.2" fill="none" stroke="currentColor" stroke-width="1.3"/>`,
  dense: html`<rect y="4" width="10" height="2" opacity=".6"/>`,
  moe: html`<path d="M0 1.5h2.2v2.2H0zM4 1.5h2.2v2.2H4zM8 1.5h2.2v2.2H8zM0 6h2.2v2.2H0zM4 6h2.2v2.2H4zM8 6h2.2v2.2H8z"/>`,
};

export function glyph(kind: GlyphKind): Html {
  return html`<svg class="glyph" viewBox="0 0 10 10" aria-hidden="true" focusable="false">${SHAPES[kind]}</svg>`;
}

export const MIXER_WORDS: Readonly<Record<MixerKind, string>> = {
  full: "full attention",
  sliding: "sliding window",
  chunked: "chunked attention",
  latent: "latent attention",
  state: "state, fixed size",
};

export const FEED_FORWARD_WORDS: Readonly<Record<FeedForward["kind"], string>> = {
  dense: "dense",
  moe: "MoE",
  none: "no feed-forward",
};
