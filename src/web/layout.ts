/** The page around a page: head, top bar, main. Only pages that exist are linked. */
import { type Html, html } from "./html.ts";

export interface Page {
  readonly title: string;
  /** The page's name in the top bar. */
  readonly current: (typeof LINKS)[number]["id"] | null;
  readonly main: Html;
  /** One line about this machine, right in the top bar; null when nothing is known. */
  readonly here: Html | null;
  /** Name of the island in /static/build, without extension; null = a page without script of its own. */
  readonly island: string | null;
}

const LINKS = [
  { id: "plan", href: "/plan", name: "Plan" },
  { id: "compare", href: "/compare", name: "Compare" },
] as const;

const BRAND = html`<svg width="18" height="18" viewBox="0 0 18 18" aria-hidden="true"><path d="M2 16V9M5.5 16V9M9 16V2M12.5 16V9M16 16V5" stroke="currentColor" stroke-width="2.25"/></svg>`;

/** htmx: a real load on Back (an island must not be woken half dead), and no more than it needs. */
const HTMX = "history:'reload', extensions:'alpine-compat'";

export function layout(page: Page): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="htmx-config" content="${HTMX}">
<title>${page.title} · hwLedger</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/build/app.css">
<noscript><link rel="stylesheet" href="/static/noscript.css"></noscript>
${
  page.island !== null &&
  html`<script src="/static/build/htmx.min.js" defer></script>
<script src="/static/build/hx-alpine-compat.min.js" defer></script>
<script src="/static/build/${page.island}.js" type="module"></script>`
}
</head>
<body hx-headers:inherited="${'{"X-HWL":"1"}'}">
<a class="skip" href="#main">Skip to content</a>
<header class="top">
<a class="brand" href="/plan">${BRAND}<span>hwLedger</span></a>
<nav aria-label="Pages">${LINKS.map(
    (link) => html`<a href="${link.href}"${page.current === link.id && html` aria-current="page"`}>${link.name}</a>`,
  )}</nav>
<div class="here">${page.here}</div>
</header>
<main id="main">
${page.main}
</main>
</body>
</html>`;
}
