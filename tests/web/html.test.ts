import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { escapeHtml, flag, html, jsonBlock } from "../../src/web/html.ts";

const SRC = join(import.meta.dir, "../../src/web");

describe("html", () => {
  test.each([
    ["text", "<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"],
    ["quotes", `" onload='x'`, "<p>&quot; onload=&#39;x&#39;</p>"],
    ["ampersand, once", "a & b &amp; c", "<p>a &amp; b &amp;amp; c</p>"],
    ["null", null, "<p></p>"],
    ["undefined", undefined, "<p></p>"],
    ["false", false, "<p></p>"],
    ["zero is a value", 0, "<p>0</p>"],
    ["a list", ["a", html`<b>b</b>`, null, "<"], "<p>a<b>b</b>&lt;</p>"],
    ["markup of ours", html`<i>${"<"}</i>`, "<p><i>&lt;</i></p>"],
  ] as const)("%s", (_, value, want) => {
    expect(html`<p>${value}</p>`.toString()).toBe(want);
  });

  test("no text leaves an element or an attribute", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(escapeHtml(text)).not.toMatch(/[<>"']/);
        expect(escapeHtml(text).replace(/&(amp|lt|gt|quot|#39);/g, "")).not.toContain("&");
      }),
    );
  });

  test("flag", () => {
    expect(html`<input${flag("checked", true)}${flag("disabled", false)}>`.toString()).toBe("<input checked>");
  });

  test("a JSON block cannot end its element, and reads back as it was", () => {
    const value = { a: "</script><!--", b: ["&", "\u2028"] };
    const text = jsonBlock(value).toString();
    expect(text).not.toMatch(/[<>&\u2028]/);
    expect(JSON.parse(text)).toEqual(value);
  });
});

describe("views", () => {
  const views = [...new Bun.Glob("**/*.ts").scanSync(SRC)].map((path) => ({
    path,
    text: readFileSync(join(SRC, path), "utf8"),
  }));
  const forbidden: readonly (readonly [RegExp, string])[] = [
    [/[\w-]=\$\{/, "an attribute's value stands in double quotes"],
    [/<[^>]*\sstyle="/, "the policy forbids style attributes"],
    [/\shx-on[:-]|hx-vals="?js:|<[^>]*\son[a-z]+="/, "the policy forbids script in attributes"],
    [/\.innerHTML\s*=|insertAdjacentHTML|document\.write/, "markup enters a page through dom.ts alone"],
  ];
  test.each(forbidden.map(([pattern, why]) => [why, pattern] as const))("%s", (_, pattern) => {
    const found = views.filter(
      ({ path, text }) => path !== "plan/dom.ts" && codeLines(text).some((line) => pattern.test(line)),
    );
    expect(found.map(({ path }) => path)).toEqual([]);
    expect(views.length).toBeGreaterThan(5);
  });
});

/** Lines that may make markup: comments aside. */
function codeLines(text: string): string[] {
  return text.split("\n").filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line));
}
