/** Help texts, made of the command table. */
import type { CommandSpec, OptionSpec } from "./command.ts";
import { COMMANDS } from "./commands.ts";

export function generalHelp(): string {
  const width = Math.max(...COMMANDS.map((c) => c.name.length));
  return [
    "hwledger says whether a language model fits your hardware, layer by layer, before the download.",
    "",
    "Usage: hwledger [COMMAND] [options]",
    "",
    ...COMMANDS.map((c) => `  ${c.name.padEnd(width)}  ${c.summary}`),
    "",
    "Without a command the page is served, as by hwledger serve.",
    "hwledger COMMAND --help lists a command's options.",
    "",
  ].join("\n");
}

export function commandHelp(spec: CommandSpec): string {
  const options = [
    ...spec.options.filter((o) => o.hidden !== true),
    { name: "help", value: "", help: "show this help" },
  ];
  const width = Math.max(...options.map((o) => heading(o).length));
  return [
    `${spec.summary[0]?.toUpperCase()}${spec.summary.slice(1)}.`,
    "",
    ...spec.usage.map((line, i) => `${i === 0 ? "Usage:" : "      "} hwledger ${line}`),
    "",
    ...options.map((o) => `  ${heading(o).padEnd(width)}  ${o.help}${choices(o)}`),
    ...(spec.notes === undefined ? [] : ["", ...spec.notes]),
    "",
  ].join("\n");
}

function heading(option: OptionSpec): string {
  return option.value === "" ? `--${option.name}` : `--${option.name} ${option.value}`;
}

function choices(option: OptionSpec): string {
  const short = option.choices !== undefined && option.choices.length > 1 && option.choices.length <= 4;
  const told = short && option.choices.every((choice) => option.help.includes(choice));
  return short && !told ? `: ${option.choices.join(", ")}` : "";
}
