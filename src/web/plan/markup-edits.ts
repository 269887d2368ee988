/**
 * What differs between two markups of the same shape. A step of a slider changes numbers and widths, no element: writing
 * those into the nodes that are there spares the browser a parse, new elements, and their style and layout.
 */

export type MarkupEdit =
  | { readonly kind: "text"; readonly node: number; readonly text: string }
  | { readonly kind: "attribute"; readonly node: number; readonly name: string; readonly value: string };

export interface MarkupEdits {
  /** Elements and texts that the markup makes, in document order: `node` of an edit counts them. */
  readonly nodes: number;
  readonly edits: readonly MarkupEdit[];
}

const TOKENS = /<[^>]*>|[^<]+/g;
const ATTRIBUTES = / ([\w:-]+)="([^"]*)"/g;
const CHARACTERS: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'",
};

/**
 * @param before and @param after made by `html`: values escaped, attributes in double quotes, no comments
 * @returns null when they differ in more than texts and attribute values
 */
export function markupEdits(before: string, after: string): MarkupEdits | null {
  const old = before.match(TOKENS) ?? [];
  const now = after.match(TOKENS) ?? [];
  if (old.length !== now.length) return null;
  const edits: MarkupEdit[] = [];
  let node = -1;
  for (const [i, token] of now.entries()) {
    const was = old[i] ?? "";
    const isTag = token.startsWith("<");
    if (isTag !== was.startsWith("<")) return null;
    if (!token.startsWith("</")) node++;
    if (token === was) continue;
    if (!isTag) {
      const text = decoded(token);
      if (text === null) return null;
      edits.push({ kind: "text", node, text });
      continue;
    }
    const changed = changedAttributes(was, token, node);
    if (changed === null) return null;
    edits.push(...changed);
  }
  return { nodes: node + 1, edits };
}

/** Same element, same attributes in the same order: all that stands outside the quotes is equal. */
function changedAttributes(was: string, token: string, node: number): readonly MarkupEdit[] | null {
  if (was.replace(ATTRIBUTES, ' $1=""') !== token.replace(ATTRIBUTES, ' $1=""')) return null;
  const old = [...was.matchAll(ATTRIBUTES)];
  const edits: MarkupEdit[] = [];
  for (const [i, [, name = "", quoted = ""]] of [...token.matchAll(ATTRIBUTES)].entries()) {
    if (old[i]?.[2] === quoted) continue;
    const value = decoded(quoted);
    if (value === null) return null;
    edits.push({ kind: "attribute", node, name, value });
  }
  return edits;
}

/** The five references that escaping makes; null when there is another. */
function decoded(markup: string): string | null {
  if (!markup.includes("&")) return markup;
  let known = true;
  const text = markup.replace(/&(?:#?\w+;)?/g, (reference) => {
    const character = CHARACTERS[reference];
    if (character === undefined) known = false;
    return character ?? "";
  });
  return known ? text : null;
}
