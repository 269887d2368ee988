/** The verdict's signs; each stands beside its word. */
import { type Html, html } from "../html.ts";

export type VerdictKind = "fit" | "tight" | "no" | "unk";

export const VERDICT_WORDS: Readonly<Record<VerdictKind, string>> = {
  fit: "Fits",
  tight: "Tight fit",
  no: "Does not fit",
  unk: "Unknown",
};

export const ICONS: Readonly<Record<VerdictKind, Html>> = {
  fit: html`<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M2 8.5l4 4 8-9" fill="none" stroke="currentColor" stroke-width="2.6"/></svg>`,
  tight: html`<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M8 2.2L15 14.2H1z" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"/><path d="M8 6.5v3.5M8 11.3v1.4" stroke="currentColor" stroke-width="1.8"/></svg>`,
  no: html`<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 3l10 10M13 3L3 13" fill="none" stroke="currentColor" stroke-width="2.6"/></svg>`,
  unk: html`<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4.5 5.5C4.5 1.5 11.5 1.5 11.5 5.5 11.5 8 8 8 8 11M8 13v2" fill="none" stroke="currentColor" stroke-width="2.2"/></svg>`,
};
