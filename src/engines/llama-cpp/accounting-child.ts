/**
 * The child that asks llama.cpp. Native code can abort on a model it does not like, and takes the process with it: so it has
 * one of its own, one child per model. One question comes as a line on standard input, answers go out a line each.
 */
import { writeSync } from "node:fs";
import { noCoreDump } from "../process/no-core-dump.ts";
import { account } from "./account.ts";
import { openAddon } from "./addon.ts";
import { type AnswerLine, question } from "./protocol.ts";

/** The hidden command's name, by which the program starts itself: `hwledger __account`. */
export const ACCOUNTING_COMMAND = "__account";

const BAD_QUESTION = 64;

/** Answers the one question on standard input and ends the process: 0 answered, 64 no question that it understands. */
export async function runAccountingChild(): Promise<never> {
  noCoreDump();
  const line = await firstLineOfInput();
  const asked = question.safeParse(jsonOrNull(line));
  if (!asked.success) {
    process.stderr.write(`no question on standard input: ${asked.error.message}\n`);
    process.exit(BAD_QUESTION);
  }
  let addon: Awaited<ReturnType<typeof openAddon>>;
  try {
    addon = await openAddon(asked.data.native);
  } catch (error) {
    say({ event: "unavailable", reason: error instanceof Error ? error.message : String(error) });
    process.exit(0);
  }
  await account(addon, asked.data, say);
  say({ event: "done" });
  // Not by falling off the end: the addon keeps threads, and its own clean-up has been seen to abort.
  process.exit(0);
}

/** Synchronously, so that answers survive an abort that follows them. */
function say(line: AnswerLine): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

function firstLineOfInput(): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    process.stdin.setEncoding("utf8");
    process.stdin.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
    });
    // The parent is gone, or never spoke.
    process.stdin.on("end", () => process.exit(BAD_QUESTION));
  });
}

function jsonOrNull(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return null;
  }
}
