/** What an engine reported beside what we say, as one row of docs/accuracy.md: the table of engines and quantities. */
import type { Row } from "./table.ts";

export interface Pair {
  /** The model and how it was run: names the worst. */
  readonly name: string;
  /** null: we answer unknown. */
  readonly ours: number | null;
  readonly reported: number;
  /** How coarsely the engine prints, in the same unit: what is nearer counts as exact. 0: to the byte. */
  readonly grain?: number;
}

export interface Judged {
  readonly engine: string;
  readonly quantity: string;
  readonly pairs: readonly Pair[];
  /** Why the worst row is off; "" where it is not. */
  readonly because: string;
}

export function judgedRow({ engine, quantity, pairs, because }: Judged): Row {
  const answered = pairs.filter((pair): pair is Pair & { readonly ours: number } => pair.ours !== null);
  const errors = answered
    .map(({ name, ours, reported }) => ({ name, percent: Math.abs(ours / reported - 1) * 100 }))
    .toSorted((a, b) => a.percent - b.percent);
  const exact = answered.filter(({ ours, reported, grain = 0 }) => Math.abs(ours - reported) <= grain).length;
  const worst = errors.at(-1);
  return {
    engine,
    quantity,
    rows: pairs.length,
    answered: answered.length,
    exact,
    "median %": percentAt(errors, 0.5),
    "90th %": percentAt(errors, 0.9),
    "worst %":
      worst === undefined ? "–" : `${worst.percent.toFixed(2)} (${worst.name}${because === "" ? "" : `: ${because}`})`,
  };
}

function percentAt(errors: readonly { readonly percent: number }[], share: number): string {
  const at = errors[Math.min(errors.length - 1, Math.floor(errors.length * share))];
  return at === undefined ? "–" : at.percent.toFixed(2);
}
