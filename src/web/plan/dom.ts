/** The one place where markup enters the page after it was loaded: Html of ours, never text. */
import type { Html } from "../html.ts";

const shown = new WeakMap<Element, string>();

/** Replaces what is inside, unless it is the same. @returns whether it changed */
export function setHtml(element: Element, markup: Html): boolean {
  const text = markup.toString();
  if (shown.get(element) === text) return false;
  shown.set(element, text);
  const range = document.createRange();
  range.selectNodeContents(element);
  element.replaceChildren(range.createContextualFragment(text));
  return true;
}

/** Writes a text node only when it differs: a live region would speak again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** An element that the page's own markup has. @throws {Error} when it does not: a bug of ours */
export function part<T extends Element>(id: string, kind: new () => T): T {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`The page has no ${kind.name} "${id}"`);
}

export function optionalPart<T extends Element>(id: string, kind: new () => T): T | null {
  const element = document.getElementById(id);
  return element instanceof kind ? element : null;
}
