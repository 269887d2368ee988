/** Runs `bun test` and reads its JUnit report: how many passed, failed, were skipped, and why each skip. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Skip {
  readonly name: string;
  /** null when the test did not print one. */
  readonly reason: string | null;
}

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skips: readonly Skip[];
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&", "#10": "\n" };

function unescapeXml(text: string): string {
  return text.replaceAll(/&(#10|\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole);
}

/**
 * Counts of a JUnit report of Bun, whose cases are `<testcase name="…" … />`, or hold `<failure …/>` or `<skipped …/>`.
 * @param printed  everything the tests printed: a line `skip: name: reason` explains a skip of that name
 */
export function readReport(xml: string, printed: string): TestCounts {
  let passed = 0;
  let failed = 0;
  const skips: Skip[] = [];
  for (const part of xml.split("<testcase ").slice(1)) {
    const body = part.slice(0, part.includes("</testcase>") ? part.indexOf("</testcase>") : part.indexOf("/>"));
    const name = unescapeXml(/^name="([^"]*)"/.exec(part)?.[1] ?? "");
    if (body.includes("<skipped")) skips.push({ name, reason: reasonOf(name, printed) });
    else if (body.includes("<failure") || body.includes("<error")) failed++;
    else passed++;
  }
  return { passed, failed, skips };
}

/** Names may hold ": ", so the line is looked for by the whole name. */
function reasonOf(name: string, printed: string): string | null {
  const start = `skip: ${name}: `;
  const line = printed.split("\n").find((candidate) => candidate.startsWith(start));
  return line === undefined ? null : line.slice(start.length);
}

async function passOn(stream: ReadableStream<Uint8Array>, to: NodeJS.WriteStream): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    to.write(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** A file that does not load, or a run that ends early, counts as one failure more. */
export async function runTests(
  root: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<TestCounts> {
  const directory = await mkdtemp(join(tmpdir(), "hwledger-check-"));
  const report = join(directory, "junit.xml");
  try {
    const child = Bun.spawn(
      [process.execPath, "test", "--timeout=20000", "--reporter=junit", `--reporter-outfile=${report}`, ...args],
      { cwd: root, env: { ...process.env, ...env }, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    );
    const [out, err, status] = await Promise.all([
      passOn(child.stdout, process.stdout),
      passOn(child.stderr, process.stderr),
      child.exited,
    ]);
    const file = Bun.file(report);
    const counts = readReport((await file.exists()) ? await file.text() : "", `${out}\n${err}`);
    return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
