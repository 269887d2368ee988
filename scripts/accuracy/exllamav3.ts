/**
 * How right hwLedger is about ExLlamaV3: matrices, caches and states beside what its own classes say of every published
 * model that it and we know. For docs/accuracy.md; alone (`bun scripts/accuracy/exllamav3.ts`) it prints its table.
 */
import { compareAccounts } from "../../tests/math/runtime/exllamav3/compare.ts";
import { requires } from "../../tests/requires.ts";
import { type Judged, judgedRow, type Pair } from "./judged.ts";
import { table } from "./table.ts";

const ENGINE = "ExLlamaV3 1.4.1";

/** One row for each quantity; nothing where Python has no exllamav3. */
export function exllamaJudged(): readonly Judged[] {
  const missing = requires.exllamav3();
  if (missing !== null) {
    console.error(`ExLlamaV3's own account is left out: ${missing}`);
    return [];
  }
  const sum = (bytes: readonly number[]): number => bytes.reduce((all, one) => all + one, 0);
  const rows = new Map<string, Pair[]>();
  for (const { name, what, ours, theirs } of compareAccounts(true)) {
    const pairs = rows.get(what) ?? [];
    rows.set(what, pairs);
    pairs.push({ name, ours: sum(ours), reported: sum(theirs) });
  }
  return [...rows].map(([quantity, pairs]) => ({ engine: ENGINE, quantity, pairs, because: "" }));
}

export function exllamaAccuracy(): string[] {
  return [
    "## ExLlamaV3",
    `${ENGINE}'s own classes build every published model that it and we know, without CUDA: two sequences of 4,000 tokens, EXL3 of 4 bits with a head of 6. What a step needs was not measured, and its range is wide.`,
    table(exllamaJudged().map(judgedRow)),
  ];
}

if (import.meta.main) console.log(exllamaAccuracy().join("\n\n"));
