/** exllamav3's own classes build the model and its cache; ours are the same bytes, layer by layer. */
import { expect } from "bun:test";
import { LONG, requires, testIf } from "../../../requires.ts";
import { compareAccounts } from "./compare.ts";

/** How many models must have been compared, lest nothing is: all 84 of them, or one of each type. */
const LEAST = LONG ? 80 : 15;

testIf(
  requires.exllamav3(),
  "caches, states and packed matrices are its own, to the byte",
  () => {
    const compared = compareAccounts(LONG);
    for (const { name, what, ours, theirs } of compared)
      expect({ name, what, bytes: ours }).toEqual({ name, what, bytes: theirs });
    const count = new Map<string, number>();
    for (const { what } of compared) count.set(what, (count.get(what) ?? 0) + 1);
    expect([...count.keys()]).toEqual([
      "caches and states, 16 bits",
      "caches and states, 8 and 8 bits",
      "caches and states, 6 and 4 bits",
      "matrices of 4 bits",
    ]);
    expect(Math.min(...count.values())).toBeGreaterThanOrEqual(LEAST);
  },
  240_000,
);
