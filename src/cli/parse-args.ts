/** Command line → options and positionals, with errors that say what was wrong and what would be right. */
import { parseArgs as parseTokens } from "node:util";
import { AppError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import type { CommandSpec, Invocation, OptionSpec } from "./command.ts";

/** On every command. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { name: "help", value: "", help: "show this help" },
  { name: "version", value: "", help: "print the version", hidden: true },
];

/** @throws {AppError} usage */
export function parseArgs(spec: CommandSpec, args: readonly string[]): Invocation {
  const options = [...spec.options, ...COMMON_OPTIONS];
  const { tokens } = parseTokens({
    args: args.map((arg) => (arg === "-h" ? "--help" : arg)),
    options: Object.fromEntries(options.map((o) => [o.name, { type: o.value === "" ? "boolean" : "string" } as const])),
    allowPositionals: true,
    allowNegative: true,
    strict: false,
    tokens: true,
  });
  const values = new Map<string, string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { option, value } = readOption(spec, options, token);
    if (values.has(option.name)) {
      throw new AppError("usage", `Cannot use --${option.name} twice: once is enough`, { hint: seeHelp(spec) });
    }
    values.set(option.name, value);
  }
  if (values.get("help") === "true" || values.get("version") === "true") return { values, positionals };
  checkPositionals(spec, positionals);
  return { values, positionals };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function readOption(
  spec: CommandSpec,
  options: readonly OptionSpec[],
  token: OptionToken,
): { option: OptionSpec; value: string } {
  const negated = token.rawName.startsWith("--no-") && !options.some((o) => `--${o.name}` === token.rawName);
  const name = negated ? token.rawName.slice("--no-".length) : token.name;
  const option = token.rawName.startsWith("--") ? options.find((o) => o.name === name) : undefined;
  if (option === undefined) throw unknownOption(spec, options, token);
  if (option.value === "") {
    if (token.value !== undefined) {
      throw new AppError("usage", `Cannot use --${option.name} with the value "${token.value}": it takes none`, {
        hint: `write --${option.name} or --no-${option.name}`,
      });
    }
    return { option, value: negated ? "false" : "true" };
  }
  if (negated) throw unknownOption(spec, options, token);
  const { value } = token;
  if (value === undefined || value === "" || (token.inlineValue !== true && value.startsWith("--"))) {
    throw new AppError("usage", `Cannot use --${option.name} without a value: ${option.value} is wanted`, {
      hint: `--${option.name} ${option.value}: ${option.help}`,
    });
  }
  if (
    option.choices !== undefined &&
    option.name !== "kv-type" &&
    option.name !== "engine" &&
    !option.choices.includes(value)
  ) {
    throw new AppError(
      "usage",
      `Cannot use --${option.name} "${value}": ${option.choices.join(", ")} are the choices`,
      {
        hint: didYouMean(value, option.choices) ?? `write --${option.name} ${option.choices[0]}`,
      },
    );
  }
  return { option, value };
}

function unknownOption(spec: CommandSpec, options: readonly OptionSpec[], token: OptionToken): AppError {
  const names = options.filter((o) => o.hidden !== true).map((o) => `--${o.name}`);
  return new AppError("usage", `Cannot use ${token.rawName} with hwledger ${spec.name}: there is no such option`, {
    hint: didYouMean(token.rawName, names) ?? seeHelp(spec),
  });
}

function checkPositionals(spec: CommandSpec, positionals: readonly string[]): void {
  const { least, most, what } = spec.positionals;
  const extra = positionals[most];
  if (extra !== undefined) {
    throw new AppError(
      "usage",
      `Cannot use "${extra}" with hwledger ${spec.name}: ${most === 0 ? "it takes options only" : `${what} is all it takes`}`,
      {
        hint: seeHelp(spec),
      },
    );
  }
  const [verb] = positionals;
  if (spec.verbs !== undefined && (verb === undefined || !spec.verbs.includes(verb))) {
    const state = verb === undefined ? "without saying what to do" : `"${verb}"`;
    throw new AppError("usage", `Cannot run hwledger ${spec.name} ${state}: it takes ${spec.verbs.join(", ")}`, {
      hint: (verb === undefined ? null : didYouMean(verb, spec.verbs)) ?? seeHelp(spec),
    });
  }
  if (positionals.length < least) {
    throw new AppError("usage", `Cannot run hwledger ${spec.name} without ${what}`, { hint: seeHelp(spec) });
  }
}

function seeHelp(spec: CommandSpec): string {
  return `hwledger ${spec.name} --help`.replace("  ", " ");
}
