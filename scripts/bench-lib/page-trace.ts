/** What the main thread of a page did between marks of the page's own, read from Chromium's trace. */
import type { Browser, Page } from "playwright-core";

const CATEGORIES = ["blink.user_timing", "devtools.timeline", "disabled-by-default-devtools.timeline"];

interface TraceEvent {
  readonly name: string;
  readonly cat: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur?: number;
  /** Of it the thread ran. */
  readonly tdur?: number;
}

interface Span {
  readonly from: number;
  readonly to: number;
  /** How much of it the thread ran, 0 to 1: the rest of the time others had the processor. */
  readonly ran: number;
}

/** Milliseconds of each step, which is the time from one mark to the next. */
export interface StepTimes {
  /** Tasks of the thread, from the clock: script, style, layout, paint, collecting garbage. */
  readonly main: readonly number[];
  /** Of it the thread had a processor: what is left when other programs run too. */
  readonly processor: readonly number[];
  /** Of it JavaScript, with what it calls. */
  readonly script: readonly number[];
}

/** @param mark the name that `work` gives to performance.mark once a step, and once more after the last */
export async function traceSteps<T>(
  browser: Browser,
  page: Page,
  mark: string,
  work: () => Promise<T>,
): Promise<{ readonly times: StepTimes; readonly answer: T }> {
  await browser.startTracing(page, { categories: CATEGORIES });
  const answer = await work();
  const text = (await browser.stopTracing()).toString();
  const { traceEvents } = JSON.parse(text) as { readonly traceEvents: readonly TraceEvent[] };
  return { times: stepTimes(traceEvents, mark), answer };
}

export function stepTimes(events: readonly TraceEvent[], mark: string): StepTimes {
  const marks = events
    .filter((event) => event.name === mark && event.cat.includes("user_timing"))
    .sort((a, b) => a.ts - b.ts);
  const [first] = marks;
  if (first === undefined) throw new Error(`The trace has no mark "${mark}"`);
  const own = events.filter(({ pid, tid, ph }) => pid === first.pid && tid === first.tid && ph === "X");
  const steps = marks.slice(1).map((next, i) => ({ from: marks[i]?.ts ?? 0, to: next.ts }));
  const spansOf = (name: string): readonly Span[] => outermost(own.filter((event) => event.name === name));
  const tasks = spansOf("RunTask");
  const calls = spansOf("FunctionCall");
  const sumsOf = (spans: readonly Span[], share: (span: Span) => number): readonly number[] =>
    steps.map((step) => spans.reduce((sum, span) => sum + overlap(step, span) * share(span), 0) / 1000);
  return {
    main: sumsOf(tasks, () => 1),
    processor: sumsOf(tasks, ({ ran }) => ran),
    script: sumsOf(calls, () => 1),
  };
}

/** Spans that lie in no other: a function that is called from one counts once. */
function outermost(events: readonly TraceEvent[]): readonly Span[] {
  const spans = events
    .map(({ ts, dur = 0, tdur = dur }) => ({ from: ts, to: ts + dur, ran: dur === 0 ? 1 : tdur / dur }))
    .sort((a, b) => a.from - b.from);
  const outer: Span[] = [];
  for (const span of spans) if (span.from >= (outer.at(-1)?.to ?? 0)) outer.push(span);
  return outer;
}

function overlap(a: Pick<Span, "from" | "to">, b: Span): number {
  return Math.max(0, Math.min(a.to, b.to) - Math.max(a.from, b.from));
}
