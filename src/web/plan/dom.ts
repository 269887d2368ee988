/** The one place where markup enters the page after it was loaded: Html of ours, never text. */
import type { Html } from "../html.ts";
import { markupEdits } from "./markup-edits.ts";

interface Shown {
  readonly markup: string;
  /** What the markup made; null until it is asked for. */
  nodes: readonly Node[] | null;
}

const shown = new WeakMap<Element, Shown>();

/** Makes what is inside be `markup`: not at all when it is, by texts and attributes alone when only those differ. */
export function setHtml(element: Element, markup: Html): void {
  const text = markup.toString();
  const before = shown.get(element);
  if (before?.markup === text) return;
  if (before !== undefined && rewrite(element, before, text)) return;
  shown.set(element, { markup: text, nodes: null });
  const range = document.createRange();
  range.selectNodeContents(element);
  element.replaceChildren(range.createContextualFragment(text));
}

function rewrite(element: Element, before: Shown, text: string): boolean {
  const changes = markupEdits(before.markup, text);
  if (changes === null) return false;
  const nodes = before.nodes ?? nodesIn(element);
  // Somebody else's node is among them: all is made anew.
  if (nodes.length !== changes.nodes) return false;
  for (const edit of changes.edits) {
    const node = nodes[edit.node];
    if (edit.kind === "text") {
      if (node instanceof Text) node.data = edit.text;
    } else if (node instanceof Element) node.setAttribute(edit.name, edit.value);
  }
  shown.set(element, { markup: text, nodes });
  return true;
}

function nodesIn(element: Element): readonly Node[] {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  const nodes: Node[] = [];
  while (walker.nextNode() !== null) nodes.push(walker.currentNode);
  return nodes;
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
