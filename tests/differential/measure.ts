/** The whole comparison at once, for the golden and for docs/accuracy.md. */
import { type Comparison, compare } from "./compare.ts";
import { cases, presetOf } from "./grid.ts";
import { accountingSubjects, configSubjects, dumpSubjects, type Subject } from "./subjects.ts";

/** Cases of one model in the quick suite. */
export const SAMPLE = 6;

/** Of configs, the quick suite asks about one of each architecture. */
export function allSubjects(long: boolean): readonly Subject[] {
  const dumps = dumpSubjects();
  const accounting = accountingSubjects(new Set(dumps.map(({ architecture }) => architecture)));
  return [...dumps, ...accounting, ...configSubjects(!long)];
}

/** On a sample of the grid or on all of it. */
export function compareAt(subject: Extract<Subject, { status: "ok" }>, long: boolean): Promise<Comparison> {
  const windows = subject.spec.layers.some(({ mixers }) =>
    mixers.some((mixer) => "window" in mixer && mixer.window !== null),
  );
  return compare(subject, presetOf(subject.seed), cases(subject.seed, long ? null : SAMPLE, windows));
}

export async function compareAll(long: boolean, tell: (line: string) => void): Promise<readonly Comparison[]> {
  const done: Comparison[] = [];
  for (const subject of allSubjects(long)) {
    if (subject.status !== "ok") continue;
    const comparison = await compareAt(subject, long);
    tell(`${subject.name}: ${comparison.compared} compared, ${comparison.differences.length} differences`);
    done.push(comparison);
  }
  return done;
}
