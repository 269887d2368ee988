/** The whole comparison at once, for the golden and for docs/accuracy.md. */
import { type Comparison, compare } from "./compare.ts";
import { cases, presetOf } from "./grid.ts";
import { accountingSubjects, dumpSubjects, type Subject } from "./subjects.ts";

/** Cases of one model in the quick suite. */
export const SAMPLE = 6;

/** Dumps first: their place in the list is their seed. */
export function allSubjects(): readonly Subject[] {
  const dumps = dumpSubjects();
  return [...dumps, ...accountingSubjects(new Set(dumps.map(({ architecture }) => architecture)))];
}

/** The i-th subject of the list, on the sample or on the whole grid. */
export function compareAt(i: number, subject: Extract<Subject, { status: "ok" }>, long: boolean): Promise<Comparison> {
  const windows = subject.spec.layers.some(({ mixers }) =>
    mixers.some((mixer) => "window" in mixer && mixer.window !== null),
  );
  return compare(subject, presetOf(i), cases(i, long ? null : SAMPLE, windows));
}

export async function compareAll(long: boolean, tell: (line: string) => void): Promise<readonly Comparison[]> {
  const done: Comparison[] = [];
  for (const [i, subject] of allSubjects().entries()) {
    if (subject.status !== "ok") continue;
    const comparison = await compareAt(i, subject, long);
    tell(`${subject.name}: ${comparison.compared} compared, ${comparison.differences.length} differences`);
    done.push(comparison);
  }
  return done;
}
