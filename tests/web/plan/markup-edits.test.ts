import { describe, expect, test } from "bun:test";
import { html } from "../../../src/web/html.ts";
import { markupEdits } from "../../../src/web/plan/markup-edits.ts";

const bar = (width: string, words: string, more = false): string =>
  html`<p class="a">${words} <b>left</b></p><svg><rect x="0" width="${width}"/></svg>${more && html`<i>more</i>`}`.toString();

describe("two markups", () => {
  test("that are equal: no edit", () => {
    // p, its text, b, its text, svg, rect.
    expect(markupEdits(bar("1%", "one"), bar("1%", "one"))).toEqual({ nodes: 6, edits: [] });
  });

  test("that differ in a text and an attribute: both, told by their place in the document", () => {
    expect(markupEdits(bar("1%", "one"), bar("2%", "two & <three>"))).toEqual({
      nodes: 6,
      edits: [
        { kind: "text", node: 1, text: "two & <three> " },
        { kind: "attribute", node: 5, name: "width", value: "2%" },
      ],
    });
  });

  test("that differ in an attribute with characters of markup: as they were meant", () => {
    const link = (title: string): string => html`<a title="${title}">x</a>`.toString();
    expect(markupEdits(link("a"), link(`"'<&>`))?.edits).toEqual([
      { kind: "attribute", node: 0, name: "title", value: `"'<&>` },
    ]);
  });

  test.each([
    ["one more element", bar("1%", "one"), bar("1%", "one", true)],
    ["another element", "<b>1</b>", "<i>1</i>"],
    ["another attribute", '<b class="x">1</b>', '<b title="x">1</b>'],
    ["one more attribute", "<b>1</b>", '<b class="x">1</b>'],
    ["a text in an element's place", "1", "<b>"],
    ["a reference that escaping does not make", "<b>1</b>", "<b>&nbsp;</b>"],
    ["an ampersand that is none", "<b>1</b>", "<b>&</b>"],
  ])("that differ in %s: all anew", (_, before, after) => {
    expect(markupEdits(before, after)).toBeNull();
  });
});
