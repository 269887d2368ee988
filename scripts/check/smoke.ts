/**
 * Compiles the program for this machine and sees that it lives alone: started from an empty folder it says its version,
 * serves the page and its assets, runs nothing that the folder holds, stops when told to, and asks the engine it carries.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as z from "zod";
import { fileFromDump, readDump } from "../../tests/fixtures/gguf-dumps.ts";
import { writeGguf } from "../../tests/fixtures/gguf-writer.ts";
import { hostTarget } from "../compile/targets.ts";
import { compile } from "../compile.ts";

const ROOT = resolve(import.meta.dir, "../..");
const asked = z.object({ memory: z.object({ asked: z.unknown() }), warnings: z.array(z.string()) });
const START_MS = 20_000;
const STOP_MS = 10_000;

function must(condition: boolean, sentence: string): void {
  if (!condition) throw new Error(sentence);
}

/** @throws {Error} with the sentence when the promise takes longer */
async function within<T>(ms: number, promise: Promise<T>, sentence: () => string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(sentence())), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The address a running `serve` prints; @throws when it ends or stays silent */
export async function addressOf(child: Bun.Subprocess<"ignore", "pipe", "pipe">): Promise<string> {
  const decoder = new TextDecoder();
  let printed = "";
  const read = async (stream: ReadableStream<Uint8Array>): Promise<string> => {
    for await (const chunk of stream) {
      printed += decoder.decode(chunk, { stream: true });
      const address = /http:\/\/(?:127\.0\.0\.1|localhost):\d+/.exec(printed)?.[0];
      if (address !== undefined) return address;
    }
    await child.exited; // silent from here on: the other stream or the timer answers
    throw new Error(`the program ended with ${child.exitCode} before it served:\n${printed}`);
  };
  const silent = () => `the program did not say where it serves within ${START_MS / 1000} s:\n${printed}`;
  return await within(START_MS, Promise.any([read(child.stdout), read(child.stderr)]), silent);
}

async function wantOk(url: string, type: string): Promise<string> {
  const response = await fetch(url);
  must(response.status === 200, `GET ${url} answered ${response.status}, not 200`);
  const said = response.headers.get("content-type") ?? "";
  must(said.startsWith(type), `GET ${url} is "${said}", not ${type}`);
  return await response.text();
}

async function serveAndStop(path: string, folder: string, env: Record<string, string | undefined>): Promise<void> {
  const child = Bun.spawn([path, "serve", "--port", "0", "--no-open"], {
    cwd: folder,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  try {
    const address = await addressOf(child);
    const page = await wantOk(`${address}/`, "text/html");
    must(page.includes("hwLedger"), "the page does not name hwLedger");
    await wantOk(`${address}/static/build/app.css`, "text/css");
    await wantOk(`${address}/static/build/plan.js`, "text/javascript");
    child.kill("SIGTERM");
    const status = await within(STOP_MS, child.exited, () => `the program runs ${STOP_MS / 1000} s after SIGTERM`);
    must(status === 0, `the program ended with ${status} after SIGTERM, not 0`);
  } finally {
    child.kill("SIGKILL");
  }
}

/** The native part unpacks and answers: llama.cpp accounts for a file of real metadata whose weights are a hole. */
async function askEngine(path: string, folder: string, env: Record<string, string | undefined>): Promise<void> {
  const file = join(folder, "model.gguf");
  writeGguf(file, fileFromDump(readDump("llama-stories-260k-f32")));
  const command = [path, "plan", file, "--device", "cpu:16GiB", "--ask-engine", "--json"];
  const said = Bun.spawnSync(command, { cwd: folder, env, stdin: "ignore" });
  must(said.exitCode === 0, `plan --ask-engine ended with ${said.exitCode}: ${said.stderr.toString()}`);
  const answer = asked.parse(JSON.parse(said.stdout.toString()));
  must(answer.memory.asked !== null, `plan --ask-engine did not reach llama.cpp: ${answer.warnings.join(" ")}`);
}

/** @throws {Error} that says what the compiled program did, and should have done */
export async function smokeBinary(): Promise<void> {
  const target = hostTarget();
  if (target === null) throw new Error(`no program can be compiled for ${process.platform} ${process.arch}`);
  const { path, engineBytes } = await compile(target, join(ROOT, "dist", "hwledger"));

  const home = await mkdtemp(join(tmpdir(), "hwledger-smoke-"));
  const folder = join(home, "somewhere else");
  try {
    await mkdir(folder);
    // A program that reads these would leave a mark, or print another version.
    await Bun.write(join(folder, "bunfig.toml"), 'preload = ["./mark.ts"]\n');
    await Bun.write(join(folder, "mark.ts"), 'await Bun.write("ran", "");\n');
    await Bun.write(join(folder, ".env"), "HWLEDGER_HOME=from-the-folder\n");
    const env = { ...process.env, HWLEDGER_HOME: join(home, "data"), NO_COLOR: "1" };

    const said = Bun.spawnSync([path, "--version"], { cwd: folder, env, stdin: "ignore" });
    const version: unknown = (await Bun.file(join(ROOT, "package.json")).json()).version;
    must(said.exitCode === 0, `--version ended with ${said.exitCode}: ${said.stderr.toString()}`);
    must(
      said.stdout.toString().includes(String(version)),
      `--version does not say ${String(version)}: ${said.stdout.toString()}`,
    );

    await serveAndStop(path, folder, env);
    if (engineBytes !== null) await askEngine(path, folder, env);
    must(!existsSync(join(folder, "ran")), "the program ran code that bunfig.toml of its folder names");
    must(!existsSync(join(folder, "from-the-folder")), "the program read .env of its folder");
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  await smokeBinary();
  console.log("the compiled program serves");
}
