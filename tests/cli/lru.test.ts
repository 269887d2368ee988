import { expect, test } from "bun:test";
import { createLru } from "../../src/cli/lru.ts";

test("the one unused for longest goes first", () => {
  const kept = createLru<number>(2);
  kept.set("a", 1);
  kept.set("b", 2);
  expect(kept.get("a")).toBe(1);
  kept.set("c", 3);
  expect([kept.get("a"), kept.get("b"), kept.get("c")]).toEqual([1, undefined, 3]);
});
