/**
 * The only way to make markup. `html` escapes whatever is put into it unless it is Html already, so text from a model's
 * header, a repository's name or a query can never become an element. Attribute values stand in double quotes:
 * tests/web/html.test.ts reads every view and fails on one that does not.
 */
export class Html {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
}

/** null, false and undefined leave nothing behind; a list is joined without separator. */
export type HtmlValue = Html | string | number | null | undefined | false | readonly HtmlValue[];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => ESCAPES[c] ?? c);
}

function put(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return "";
  if (value instanceof Html) return value.toString();
  if (typeof value === "string") return escapeHtml(value);
  if (typeof value === "number") return String(value);
  return value.map(put).join("");
}

export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = strings[0] ?? "";
  for (let i = 0; i < values.length; i++) text += put(values[i]) + (strings[i + 1] ?? "");
  return new Html(text);
}

export const NOTHING = html``;

/** A boolean attribute with its leading space, or nothing. */
export function flag(name: "checked" | "selected" | "disabled" | "open" | "hidden" | "autofocus", on: boolean): Html {
  return on ? new Html(` ${name}`) : NOTHING;
}

/** JSON for a `<script type="application/json">`: no character that could end the element or start a comment. */
export function jsonBlock(value: unknown): Html {
  return new Html(
    JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
}
