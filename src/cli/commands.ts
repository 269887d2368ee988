/** Every command: its words and options. Parser, help and completion are made of this table; main.ts knows how to load each. */
import { REQUEST_FIELDS } from "../request-fields.ts";
import type { CommandSpec, OptionSpec } from "./command.ts";

const JSON_OPTION: OptionSpec = { name: "json", value: "", help: "print JSON" };

/** Flags of `plan` that are fields of a request. */
export const PLAN_FIELD_OPTIONS: readonly OptionSpec[] = REQUEST_FIELDS.map((field) => ({
  name: field.flag,
  value: field.value,
  help: field.help,
  ...(field.choices === undefined ? {} : { choices: field.choices }),
}));

export const SHELLS = ["bash", "zsh", "fish"] as const;

export const COMMANDS = [
  {
    name: "plan",
    summary: "memory and fit of a model on an engine and a device, layer by layer",
    usage: ["plan MODEL [options]", "plan --requests FILE|- [--summary]"],
    options: [
      ...PLAN_FIELD_OPTIONS,
      { name: "explain", value: "", help: "print the formula of each term with its numbers" },
      {
        name: "requests",
        value: "FILE",
        help: "plan one JSON request a line, one result a line out; - is standard input",
      },
      { name: "summary", value: "", help: "leave out by_layer, outside_layers and explanation" },
      JSON_OPTION,
    ],
    positionals: { least: 0, most: 1, what: "one MODEL" },
    notes: [
      "MODEL  org/name[@revision], org/name:Q4_K_M or org/name:file.gguf on the hub, a .gguf file, a folder with config.json,",
      "       ollama:NAME, lmstudio:NAME",
      "Exit status: 0 fits, 1 failed, 2 wrong usage, 3 does not fit, 4 not known",
    ],
  },
  {
    name: "compare",
    summary: "one model on every engine: memory by part, what fits, why they differ, each engine's command",
    usage: ["compare MODEL [options]"],
    options: [
      ...PLAN_FIELD_OPTIONS.filter(({ name }) => name !== "ask-engine"),
      { name: "all", value: "", help: "a row for each of an engine's weights, not for the nearest alone" },
      JSON_OPTION,
    ],
    positionals: { least: 1, most: 1, what: "one MODEL" },
    notes: [
      "--device takes several, with commas: a row for each engine on each.",
      "Weights that an engine does not load are replaced by its own that come nearest in size.",
      "Exit status: 0 something fits, 1 failed, 2 wrong usage, 3 nothing fits, 4 not known",
    ],
  },
  {
    name: "devices",
    summary: "what hardware is here, how it was found, what is not known",
    usage: ["devices [--all] [--json]"],
    options: [
      { name: "all", value: "", help: "list the device table instead: every name --device takes" },
      JSON_OPTION,
    ],
    positionals: { least: 0, most: 0, what: "" },
  },
  {
    name: "models",
    summary: "models on disk and their facts",
    usage: ["models list [--json]", "models show MODEL [--json]"],
    options: [JSON_OPTION],
    positionals: { least: 1, most: 2, what: "list, or show MODEL" },
    verbs: ["list", "show"],
  },
  {
    name: "serve",
    summary: "the page and its API on this machine",
    usage: ["serve [--port N] [--host ADDRESS] [--no-open]"],
    options: [
      { name: "port", value: "N", help: "port of the page (8477, or the next free one)" },
      { name: "host", value: "ADDRESS", help: "address to listen on (127.0.0.1)" },
      { name: "open", value: "", help: "open the browser once; --no-open leaves it", hidden: true },
      { name: "background", value: "", help: "measure in the background; --no-background leaves it", hidden: true },
      { name: "tray", value: "", help: "show a tray icon; --no-tray leaves it", hidden: true },
    ],
    positionals: { least: 0, most: 0, what: "" },
  },
  {
    name: "version",
    summary: "the version of this program and of the engine it plans for",
    usage: ["version [--json]"],
    options: [JSON_OPTION],
    positionals: { least: 0, most: 0, what: "" },
  },
  {
    name: "completion",
    summary: "a script that completes commands in a shell",
    usage: ["completion bash|zsh|fish"],
    options: [],
    positionals: { least: 1, most: 1, what: "one SHELL" },
    verbs: SHELLS,
  },
] as const satisfies readonly CommandSpec[];

export type CommandName = (typeof COMMANDS)[number]["name"];
