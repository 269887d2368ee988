/** One question put to an open addon: the model once, then each context, an answer handed out as soon as it is known. */
import type { OpenAddon } from "./addon.ts";
import { failureIn, parseLog } from "./parse.ts";
import type { AnswerLine, AskedContext, Question } from "./protocol.ts";
import { stubGguf } from "./stub-gguf.ts";

export async function account(addon: OpenAddon, asked: Question, say: (line: AnswerLine) => void): Promise<void> {
  const start = performance.now();
  addon.takeLog();
  let model: Awaited<ReturnType<OpenAddon["openModel"]>>;
  try {
    model = await addon.openModel(stubGguf(asked.metadata, asked.tensors));
  } catch (error) {
    return say({ event: "refused", reason: messageOf(error) });
  }
  if (model === null)
    return say({ event: "refused", reason: failureIn(addon.takeLog()) ?? "llama.cpp gave no reason" });
  const { cpuRam, gpuVram } = model.getMemoryBreakdown();
  say({ event: "model", bytes: cpuRam + gpuVram, milliseconds: performance.now() - start });

  for (const [index, context] of asked.contexts.entries()) say(await accountContext(addon, model, context, index));
  await model.dispose();
}

async function accountContext(
  addon: OpenAddon,
  model: Parameters<OpenAddon["openContext"]>[0],
  asked: AskedContext,
  index: number,
): Promise<AnswerLine> {
  const start = performance.now();
  addon.takeLog();
  try {
    const context = await addon.openContext(model, asked);
    const log = addon.takeLog();
    if (context === null) {
      return { event: "context", index, status: "refused", reason: failureIn(log) ?? "llama.cpp gave no reason" };
    }
    const { cpuRam, gpuVram } = context.getMemoryBreakdown();
    await context.dispose();
    const { contextTotal, caches, states, compute, output, flashAttention } = parseLog(log);
    return {
      event: "context",
      index,
      status: "ok",
      contextTotal,
      totalBytes: cpuRam + gpuVram,
      caches,
      states,
      compute,
      output,
      flashAttention,
      milliseconds: performance.now() - start,
    };
  } catch (error) {
    return { event: "context", index, status: "refused", reason: messageOf(error) };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
