/** The program as a process: texts, exit statuses, and never a stack trace. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import fc from "fast-check";
import { z } from "zod";
import { cliCommand, cliEnv, runCli, writeModel, writeText } from "./run-cli.ts";

const SLOW_MS = 60_000;
const MODEL = writeModel();

const errorObject = z.strictObject({
  schema: z.literal("hwledger.error/1"),
  code: z.string(),
  message: z.string().startsWith("Cannot "),
  hint: z.string().nullable(),
});

test(
  "exit statuses: 0 fits, 3 does not fit, 4 not known",
  () => {
    const fits = runCli(["plan", MODEL, "--device", "24GiB", "--json"]);
    expect([fits.status, fits.err]).toEqual([0, ""]);
    const plan = JSON.parse(fits.out) as {
      schema: string;
      status: string;
      memory: { total_bytes: number; by_layer: unknown[] };
    };
    expect([plan.schema, plan.status, plan.memory.by_layer.length]).toEqual(["hwledger.plan/1", "fits", 4]);

    const large = runCli(["plan", MODEL, "--device", "cpu:256MiB", "--context", "8192", "--sequences", "64"]);
    expect(large.status).toBe(3);
    expect(large.out).toContain("does not fit");

    const strange = runCli([
      "plan",
      writeModel({ model_type: "zed", architectures: ["ZedForCausalLM"] }),
      "--device",
      "24GiB",
    ]);
    expect(strange.status).toBe(4);
    expect(strange.out).toContain("Not known:");
  },
  SLOW_MS,
);

test("the text has the model, the rows and the total, and no escape codes off a terminal", () => {
  const { status, out, err } = runCli(["plan", MODEL, "--device", "rtx-4090", "--explain"]);
  expect([status, err]).toEqual([0, ""]);
  expect(out).toContain(MODEL);
  expect(out).toMatch(/Layers {2}0-3 +full x4/);
  expect(out).toContain("Total ");
  expect(out).toContain("   fits, ");
  expect(out).toContain("GiB of 23.5 GiB, ");
  expect(out).not.toContain("\u001b");
});

// The words, the exit status, how the sentence begins, what the hint holds.
test.each([
  [["plon"], 2, 'Cannot run "plon": hwledger has no such command', "did you mean plan?"],
  [["plan"], 2, "Cannot plan without a MODEL", "org/name"],
  [["plan", MODEL, "--device", "rtx4090"], 2, 'Cannot use device "rtx4090"', "did you mean rtx-4090"],
  [["plan", MODEL, "--context", "-5"], 2, "Cannot plan with --context -5", ""],
  [["plan", MODEL, "--context", "1000000000"], 2, "Cannot plan with --context 1000000000", ""],
  [["plan", "/nowhere/model.gguf"], 1, 'Cannot read "/nowhere/model.gguf"', ""],
  [["plan", "org/name", "--device", "24GiB"], 1, "Cannot ", ""],
  [["plan", writeText("cut.gguf", "GGUF\u0003\u0000\u0000\u0000"), "--device", "24GiB"], 1, "Cannot read ", ""],
  [
    ["plan", writeText("text.gguf", "not a model at all, but long enough to hold a header"), "--device", "24GiB"],
    1,
    "Cannot read ",
    "",
  ],
  [["plan", MODEL, "--device", "24GiB", "--weights", "Q9_Z"], 2, 'Cannot plan with weights "Q9_Z"', "Q4_K_M"],
  [["plan", MODEL, "--requests", "x"], 2, "Cannot plan ", "leave MODEL out"],
  [["plan", "--requests", "/nowhere.jsonl"], 1, 'Cannot read requests from "/nowhere.jsonl"', "JSON lines"],
  [["plan", "--requests", MODEL], 2, "Cannot read requests from ", "JSON lines"],
  [["serve", "--port", "99999"], 2, 'Cannot use --port "99999"', "any free port"],
  [["models", "show"], 2, "Cannot run hwledger models show without a MODEL", "models list"],
] as const)("%p", (args, status, message, hint) => {
  const text = runCli(args);
  expect(text.out).toBe("");
  expect(text.err).toStartWith(message);
  expect(text.err).not.toMatch(/^\s+at /m);
  expect(text.err.trimEnd().split("\n").length).toBeLessThanOrEqual(2);
  if (hint !== "") expect(text.err.split("\n")[1] ?? "").toStartWith("hint: ");
  expect(text.err).toContain(hint);
  expect(text.status).toBe(status);
});

test("with --json an error is an object on standard error", () => {
  const { status, out, err } = runCli(["plan", MODEL, "--device", "rtx4090", "--json"]);
  expect([status, out]).toEqual([2, ""]);
  expect(errorObject.parse(JSON.parse(err))).toMatchObject({ code: "usage" });
  const usage = runCli(["plon", "--json"]);
  expect(usage.status).toBe(2);
  expect(errorObject.parse(JSON.parse(usage.err)).hint).toBe("did you mean plan?");
});

test("help, version, completion and devices", () => {
  expect(runCli(["--help"]).out).toContain("Usage: hwledger [COMMAND] [options]");
  expect(runCli(["plan", "--help"]).out).toContain("--context TOKENS");
  expect(runCli(["--version"]).out).toMatch(/^hwledger \d+\.\d+\.\d+\n$/);
  expect(runCli(["devices", "--version"]).out).toMatch(/^hwledger \d/);
  const devices = JSON.parse(runCli(["devices", "--json"]).out) as { schema: string; host: { memory_bytes: number } };
  expect(devices.schema).toBe("hwledger.devices/1");
  expect(devices.host.memory_bytes).toBeGreaterThan(0);
  expect(runCli(["devices", "--all"]).out).toContain("rtx-4090");
  expect(runCli(["models", "list", "--json"]).out).toContain('"hwledger.models/1"');
  for (const shell of ["bash", "zsh", "fish"]) expect(runCli(["completion", shell]).out).toContain("tensor-split");
});

test("bash takes the completion script and completes an option", () => {
  const bash = Bun.which("bash");
  if (bash === null) throw new Error("bash is part of every system the tests run on");
  const script = `${runCli(["completion", "bash"]).out}
COMP_WORDS=(hwledger plan --cont); COMP_CWORD=2; _hwledger; echo "\${COMPREPLY[*]}"
COMP_WORDS=(hwledger pl); COMP_CWORD=1; _hwledger; echo "\${COMPREPLY[*]}"
COMP_WORDS=(hwledger plan --flash-attention o); COMP_CWORD=3; _hwledger; echo "\${COMPREPLY[*]}"`;
  const run = Bun.spawnSync([bash, "-c", script], { stdout: "pipe", stderr: "pipe" });
  expect(run.stderr.toString()).toBe("");
  expect(run.stdout.toString()).toBe("--context\nplan\non off\n");
});

test("a reader that goes away ends it quietly", async () => {
  const child = Bun.spawn(["bash", "-c", '"$@" | head -n 1', "-", ...cliCommand(["devices", "--all"])], {
    env: cliEnv(),
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(await new Response(child.stdout).text()).toMatch(/^gtx-1050 [^\n]*\n$/);
  expect(await new Response(child.stderr).text()).toBe("");
  expect(await child.exited).toBe(0);
});

test("a full disk is told in one sentence", () => {
  const full = existsSync("/dev/full");
  const run = Bun.spawnSync(
    ["bash", "-c", full ? '"$@" >/dev/full' : '"$@" >&-', "-", ...cliCommand(["devices", "--all"])],
    {
      env: cliEnv(),
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  expect(run.exitCode).toBe(1);
  expect(run.stderr.toString()).toStartWith("Cannot write the output: ");
  expect(run.stderr.toString()).not.toMatch(/^\s+at /m);
});

test(
  "no words print a stack trace",
  () => {
    const word = fc.oneof(
      fc.string({ maxLength: 10 }),
      fc.constantFrom(
        "plan",
        "devices",
        "models",
        "list",
        "show",
        "version",
        "completion",
        "help",
        "--json",
        "--all",
        "--context",
        "--device",
        "24GiB",
        MODEL,
        "__proto__",
        "constructor",
        "--",
        "-x",
      ),
    );
    const words = fc
      .tuple(
        fc.constantFrom("plan", "devices", "models", "completion", "version", "help", "nothing", "toString"),
        fc.array(word, { maxLength: 4 }),
      )
      .map(([first, rest]) => [first, ...rest]);
    const lines = fc.sample(words, { numRuns: 150, seed: 20 });
    const run = Bun.spawnSync([process.execPath, resolve(import.meta.dir, "..", "fakes", "cli-words.ts")], {
      env: cliEnv(),
      stdin: Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join("")),
      stdout: "pipe",
      stderr: "pipe",
    });
    const err = run.stderr.toString();
    expect(err).not.toMatch(/^\s+at .*[:(]/m);
    expect(err).not.toContain("hwledger has a fault");
    const statuses = [...err.matchAll(/^== (\d+)$/gm)].map((match) => Number(match[1]));
    expect(statuses).toHaveLength(150);
    expect(statuses.every((status) => [0, 1, 2, 3, 4].includes(status))).toBe(true);
  },
  SLOW_MS,
);
