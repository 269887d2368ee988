/** `plan --requests`: order, one bad line among good ones, and memory that does not grow with the number of lines. */
import { expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cliCommand, cliEnv, runCli, writeModel } from "./run-cli.ts";

const SLOW_MS = 180_000;
const MODEL = writeModel();

interface Answer {
  readonly schema: string;
  readonly status: string;
  readonly line?: number;
  readonly options?: { readonly context: number };
  readonly memory?: { readonly by_layer?: readonly unknown[] };
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string | null };
}

function answersOf(text: string): Answer[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
}

test(
  "answers come in order, and a bad line is one of them",
  () => {
    const good = (context: number) => JSON.stringify({ model: MODEL, device: "24GiB", context });
    const lines = [
      good(1024),
      "{broken",
      good(2048),
      JSON.stringify({ model: MODEL, device: "24GiB", contxt: 1 }),
      JSON.stringify({ model: "/nowhere.gguf", device: "24GiB" }),
      JSON.stringify({ model: MODEL, device: "rtx4090" }),
      "",
      good(4096),
    ];
    const { status, out, err } = runCli(["plan", "--requests", "-"], { stdin: lines.join("\n") });
    expect([status, err]).toEqual([0, ""]);
    const answers = answersOf(out);
    expect(answers.map((a) => a.options?.context ?? a.line)).toEqual([1024, 2, 2048, 4, 5, 6, 4096]);
    expect(answers.map((a) => a.status)).toEqual(["fits", "error", "fits", "error", "error", "error", "fits"]);
    expect(answers.map((a) => a.error?.code)).toEqual([
      undefined,
      "usage",
      undefined,
      "usage",
      "not_found",
      "usage",
      undefined,
    ]);
    expect(answers[3]?.error?.hint).toBe("did you mean context?");
    expect(answers[0]?.memory?.by_layer).toHaveLength(4);
    const [summary] = answersOf(runCli(["plan", "--requests", "-", "--summary"], { stdin: lines[0] ?? "" }).out);
    expect(summary?.memory?.by_layer).toBeUndefined();
    expect(summary?.status).toBe("fits");
  },
  SLOW_MS,
);

/** Every 500th line is planned, the others are refused: what is tested is the stream, not the planner. */
function writeRequests(count: number): string {
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ model: MODEL, device: "24GiB", context: i % 500 === 0 ? 256 + (i % 7) : -1 - i }),
  );
  const path = join(mkdtempSync(join(tmpdir(), "hwledger-requests-")), "requests.jsonl");
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

async function stream(
  count: number,
): Promise<{ readonly answers: number; readonly ordered: boolean; readonly maxRssBytes: number }> {
  const child = Bun.spawn(cliCommand(["plan", "--requests", writeRequests(count), "--summary"]), {
    env: cliEnv(),
    stdout: "pipe",
    stderr: "inherit",
  });
  let answers = 0;
  let ordered = true;
  let rest = "";
  const decoder = new TextDecoder();
  for await (const piece of child.stdout) {
    const parts = `${rest}${decoder.decode(piece, { stream: true })}`.split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) {
      answers++;
      const told = /"line":(\d+)/.exec(line)?.[1];
      if (told === undefined ? (answers - 1) % 500 !== 0 : Number(told) !== answers) ordered = false;
    }
  }
  expect(await child.exited).toBe(0);
  return { answers, ordered, maxRssBytes: child.resourceUsage()?.maxRSS ?? 0 };
}

test(
  "ten times the lines take no more memory",
  async () => {
    const some = await stream(12_000);
    const many = await stream(120_000);
    expect([some.answers, some.ordered]).toEqual([12_000, true]);
    expect([many.answers, many.ordered]).toEqual([120_000, true]);
    // The input is 9 MB and the answers are 30 MB: keeping either would show.
    expect(many.maxRssBytes - some.maxRssBytes).toBeLessThan(48 * 2 ** 20);
  },
  SLOW_MS,
);
