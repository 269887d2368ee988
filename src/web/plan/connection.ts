/** Says when the program behind the page is gone. The sliders need it not. */
import { html } from "../html.ts";
import { optionalPart, setHtml } from "./dom.ts";

const EVERY_MS = 10_000;

const GONE = html`<div class="note-box" role="status"><h3>Not connected to hwLedger, retrying</h3><p class="dim">Sliders go on: the arithmetic runs in this page. Searching and opening a model wait.</p></div>`;
const HERE = html``;

export function watchConnection(): void {
  const place = optionalPart("connection", HTMLElement);
  if (place === null) return;
  const look = async (): Promise<void> => {
    if (document.visibilityState !== "visible") return;
    setHtml(place, (await isAlive()) ? HERE : GONE);
  };
  setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
  document.addEventListener("htmx:error", look);
}

async function isAlive(): Promise<boolean> {
  try {
    return (await fetch("/plan/alive", { cache: "no-store", signal: AbortSignal.timeout(5_000) })).ok;
  } catch {
    return false;
  }
}
