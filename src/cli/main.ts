#!/usr/bin/env bun
/** The program: finds the command and loads it alone, so that `plan` never loads the server. */
import { readConfig } from "../config.ts";
import { AppError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { type CommandSpec, EXIT, type RunCommand } from "./command.ts";
import { COMMANDS, type CommandName } from "./commands.ts";
import { BrokenPipe, EXIT_BROKEN_PIPE, terminalOutput, writeAll } from "./output.ts";
import { parseArgs } from "./parse-args.ts";
import { errorText, exitStatus } from "./print-error.ts";

/** Commands the program starts itself with. They are no part of the contract, and no help names them. */
const HIDDEN: ReadonlyMap<string, () => Promise<never>> = new Map([
  ["__account", async () => (await import("../engines/llama-cpp/accounting-child.ts")).runAccountingChild()],
]);

/** A missing command does not compile. */
const LOADERS: Readonly<Record<CommandName, () => Promise<RunCommand>>> = {
  plan: async () => (await import("./plan.ts")).runPlan,
  compare: async () => (await import("./compare.ts")).runCompare,
  devices: async () => (await import("./devices.ts")).runDevices,
  models: async () => (await import("./models.ts")).runModels,
  serve: async () => (await import("./serve.ts")).runServe,
  version: async () => (await import("./version.ts")).runVersion,
  completion: async () => (await import("./completion.ts")).runCompletion,
};

/** Runs one command line. @returns the exit status */
export async function main(args: readonly string[]): Promise<number> {
  const hidden = HIDDEN.get(args[0] ?? "");
  if (hidden !== undefined) return await hidden();
  try {
    return await dispatch(args);
  } catch (error) {
    if (error instanceof BrokenPipe) return EXIT_BROKEN_PIPE;
    // Read from the raw words, so that a wrong command line too is answered in the form that was asked for.
    return report(error, args.includes("--json"));
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const config = readConfig();
  const out = terminalOutput(1, config);
  const { name, rest } = splitCommand(args);
  if (name === "help") {
    const about = rest[0] === undefined ? null : commandNamed(rest[0]);
    const help = await import("./help.ts");
    out.write(about === null ? help.generalHelp() : help.commandHelp(about));
    return EXIT.done;
  }
  const spec = commandNamed(name);
  const invocation = parseArgs(spec, rest);
  if (invocation.values.get("help") === "true") {
    out.write((await import("./help.ts")).commandHelp(spec));
    return EXIT.done;
  }
  const run = await LOADERS[invocation.values.get("version") === "true" ? "version" : spec.name]();
  return await run(invocation, { config, out, json: invocation.values.get("json") === "true" });
}

/** No command, or options only: the page is served. */
function splitCommand(args: readonly string[]): { readonly name: string; readonly rest: readonly string[] } {
  const [first, ...rest] = args;
  if (first === "--help" || first === "-h" || first === "help") return { name: "help", rest };
  if (first === "--version") return { name: "version", rest };
  if (first === undefined || first.startsWith("-")) return { name: "serve", rest: args };
  return { name: first, rest };
}

function commandNamed(name: string): CommandSpec & { readonly name: CommandName } {
  const command = COMMANDS.find((spec) => spec.name === name);
  if (command !== undefined) return command;
  const names = COMMANDS.map((spec) => spec.name);
  throw new AppError("usage", `Cannot run "${name}": hwledger has no such command`, {
    hint: didYouMean(name, names) ?? `the commands are ${names.join(", ")}`,
  });
}

function report(error: unknown, json: boolean): number {
  try {
    writeAll(2, errorText(error, json));
  } catch (broken) {
    if (!(broken instanceof BrokenPipe)) throw broken;
  }
  return exitStatus(error);
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
