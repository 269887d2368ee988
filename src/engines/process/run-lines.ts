/**
 * A child that is given text on its standard input and answers in lines. It is the leader of its own process group, so that
 * everything it started dies with it; it is killed on time-out, on abort, and when its answer grows past all measure.
 */
export interface ChildCommand {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** The whole environment of the child. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface RunLinesOptions extends ChildCommand {
  readonly input: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | null;
  readonly onLine: (line: string) => void;
}

export interface RunLinesResult {
  /** null when a signal ended it. */
  readonly exitCode: number | null;
  /** "SIGABRT"; null when it exited by itself. */
  readonly signal: string | null;
  /** Why we killed it; null: we did not. */
  readonly killed: "timeout" | "abort" | "too much output" | null;
  /** The last of what it wrote to standard error. */
  readonly tail: string;
}

const TAIL_CHARACTERS = 4000;
const MOST_OUTPUT_BYTES = 64 * 2 ** 20;

/** @throws {Error} of the system when the program cannot be started at all */
export async function runLines(options: RunLinesOptions): Promise<RunLinesResult> {
  let killed: RunLinesResult["killed"] = null;
  const child = Bun.spawn([...options.command], {
    env: { ...options.env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    // A group of its own: kill(-pid) reaches whatever it starts.
    detached: process.platform !== "win32",
    windowsHide: true,
  });
  const kill = (why: Exclude<RunLinesResult["killed"], null>): void => {
    killed ??= why;
    killTree(child.pid);
  };
  const timer = setTimeout(() => kill("timeout"), options.timeoutMs);
  const onAbort = (): void => kill("abort");
  if (options.signal?.aborted === true) onAbort();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    child.stdin.write(options.input);
    // Left open: a child whose input closes takes it that its parent is gone, and exits.
    void Promise.resolve(child.stdin.flush()).catch(() => undefined);
    const [tail] = await Promise.all([
      lastOf(child.stderr),
      eachLine(child.stdout, options.onLine, () => kill("too much output")),
      child.exited,
    ]);
    return {
      exitCode: child.exitCode,
      signal: child.signalCode === null ? null : String(child.signalCode),
      killed,
      tail,
    };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
    // Its grandchildren may outlive it.
    killTree(child.pid);
    await Promise.resolve(child.stdin.end()).catch(() => undefined);
  }
}

function killTree(pid: number): void {
  if (process.platform === "win32") {
    Bun.spawnSync(["taskkill", "/PID", String(pid), "/T", "/F"], { stdout: "ignore", stderr: "ignore" });
    return;
  }
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody of that group is left.
  }
}

async function eachLine(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
  tooMuch: () => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > MOST_OUTPUT_BYTES) {
      tooMuch();
      return;
    }
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
  if (rest !== "") onLine(rest);
}

async function lastOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) text = (text + decoder.decode(chunk, { stream: true })).slice(-TAIL_CHARACTERS);
  return text;
}
