/** llama.cpp asked itself, from the parent's side: a question goes to a child of this same program, and whatever becomes of it is data. */
import { type ChildCommand, type RunLinesResult, runLines } from "../process/run-lines.ts";
import { findNative, type NativeOptions } from "./native.ts";
import { type AnswerLine, answerLine, type ContextAnswer, type Question } from "./protocol.ts";

export interface AskOptions extends NativeOptions {
  /** How this program starts itself as the accounting child: [process.execPath, script or nothing, ACCOUNTING_COMMAND], and the environment. */
  readonly spawn: ChildCommand;
  readonly signal: AbortSignal | null;
  /** For the whole question; null: 10 s and 2 s more for each context (a context takes 10 to 40 ms on an idle machine). */
  readonly timeoutMs: number | null;
}

/** What llama.cpp answered before the end, whatever the end was. */
interface Answered {
  readonly version: string;
  /** Bytes of all weight buffers; null when the model was not loaded. */
  readonly weightsBytes: number | null;
  readonly loadMilliseconds: number | null;
  readonly contexts: readonly ContextAnswer[];
}

export type AskResult =
  | ({ readonly status: "ok" } & Answered)
  /** llama.cpp does not take this model: its own words. */
  | ({ readonly status: "refused"; readonly reason: string } & Answered)
  /** Native code ended the process: by a signal, or by an exit status when signal is null. */
  | ({ readonly status: "crashed"; readonly signal: string | null; readonly tail: string } & Answered)
  | ({ readonly status: "timed_out"; readonly timeoutMs: number } & Answered)
  | ({ readonly status: "cancelled" } & Answered)
  | { readonly status: "unavailable"; readonly reason: string; readonly hint: string };

/** The question as a caller has it; where the native part lies is found here. */
export type AskedModel = Omit<Question, "native">;

export async function askLlamaCpp(asked: AskedModel, options: AskOptions): Promise<AskResult> {
  const native = await findNative(options);
  if (native.status === "unavailable") return native;
  const timeoutMs = options.timeoutMs ?? 10_000 + 2000 * asked.contexts.length;
  const lines: AnswerLine[] = [];
  const question: Question = { native: native.folder, ...asked };
  let run: RunLinesResult;
  try {
    run = await runLines({
      command: options.spawn.command,
      env: childEnvironment(options.spawn.env),
      input: `${JSON.stringify(question)}\n`,
      timeoutMs,
      signal: options.signal,
      onLine: (line) => {
        const answer = parseAnswer(line);
        if (answer !== null) lines.push(answer);
      },
    });
  } catch (error) {
    const reason = `the accounting child did not start: ${error instanceof Error ? error.message : String(error)}`;
    return { status: "unavailable", reason, hint: "see that the program can run itself" };
  }
  return judge(run, lines, native.version, timeoutMs);
}

/**
 * GGML_NO_BACKTRACE: an abort would attach a debugger to print where, for seconds.
 * BUN_BE_BUN would turn the one-file program into a plain Bun; crash reports go nowhere.
 */
function childEnvironment(env: ChildCommand["env"]): ChildCommand["env"] {
  const { BUN_BE_BUN: _, ...rest } = env;
  return { ...rest, GGML_NO_BACKTRACE: "1", BUN_ENABLE_CRASH_REPORTING: "0", LC_ALL: "C" };
}

/** null: native code wrote it, not the child. */
function parseAnswer(line: string): AnswerLine | null {
  if (!line.startsWith('{"event":')) return null;
  try {
    const parsed = answerLine.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

function judge(run: RunLinesResult, lines: readonly AnswerLine[], version: string, timeoutMs: number): AskResult {
  const model = lines.find((line) => line.event === "model");
  const answered: Answered = {
    version,
    weightsBytes: model?.bytes ?? null,
    loadMilliseconds: model?.milliseconds ?? null,
    contexts: lines.filter((line) => line.event === "context"),
  };
  const unavailable = lines.find((line) => line.event === "unavailable");
  if (unavailable !== undefined) {
    return {
      status: "unavailable",
      reason: `llama.cpp's native part does not load: ${unavailable.reason}`,
      hint: "plan without asking the engine",
    };
  }
  const refused = lines.find((line) => line.event === "refused");
  if (refused !== undefined) return { status: "refused", reason: refused.reason, ...answered };
  if (lines.some((line) => line.event === "done")) return { status: "ok", ...answered };
  if (run.killed === "timeout") return { status: "timed_out", timeoutMs, ...answered };
  if (run.killed === "abort") return { status: "cancelled", ...answered };
  return { status: "crashed", signal: run.signal, tail: wordsOfTheCrash(run.tail), ...answered };
}

/** Bun adds a page of its own about the crash, below a rule of equals signs: the assertion stands above it. */
function wordsOfTheCrash(tail: string): string {
  return (tail.split(/^={20,}$/m)[0] ?? tail).trim();
}
