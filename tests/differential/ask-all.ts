/** Many contexts of one model, with a child for each stretch that native code survives: an abort is that context's answer. */
import { type AskedModel, type AskResult, askLlamaCpp } from "../../src/engines/llama-cpp/ask.ts";
import type { ContextAnswer } from "../../src/engines/llama-cpp/protocol.ts";
import { ACCOUNTING } from "../fakes/accounting.ts";

export type Verdict = ContextAnswer | { readonly status: "crashed"; readonly words: string };

export type AllAnswers =
  | {
      readonly status: "ok";
      readonly weightsBytes: number;
      readonly contexts: readonly Verdict[];
      readonly children: number;
      readonly loadMilliseconds: number;
    }
  | { readonly status: "refused"; readonly reason: string };

export async function askAll(asked: AskedModel): Promise<AllAnswers> {
  const contexts: Verdict[] = [];
  for (let children = 1; ; children++) {
    const left = asked.contexts.slice(contexts.length);
    const result = await askLlamaCpp(
      { ...asked, contexts: left },
      { ...ACCOUNTING, timeoutMs: 90_000 + 1000 * left.length },
    );
    if (result.status === "refused") return { status: "refused", reason: result.reason };
    if (result.status === "unavailable" || result.weightsBytes === null) throw new Error(JSON.stringify(result));
    contexts.push(...result.contexts);
    if (result.status === "crashed") contexts.push({ status: "crashed", words: wordsOf(result) });
    else if (result.status !== "ok") throw new Error(`llama.cpp ${result.status}`);
    if (contexts.length >= asked.contexts.length) {
      const { weightsBytes, loadMilliseconds } = result;
      return { status: "ok", weightsBytes, contexts, children, loadMilliseconds: loadMilliseconds ?? 0 };
    }
  }
}

/** The assertion without the path of whoever built it. */
function wordsOf(result: Extract<AskResult, { status: "crashed" }>): string {
  const line = result.tail.split("\n").findLast((text) => text.includes(": ")) ?? result.signal ?? "no words";
  return line.replace(/^\S*?([\w-]+\.(?:cpp|c|h)):\d+: /, "$1: ");
}
