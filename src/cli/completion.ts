/** `hwledger completion SHELL`: a script made of the command table, so that it knows what the parser knows. */
import type { CommandSpec, OptionSpec } from "./command.ts";
import { EXIT, type RunCommand } from "./command.ts";
import { COMMANDS } from "./commands.ts";

export const runCompletion: RunCommand = async ({ positionals }, { out }) => {
  out.write(completionScript(positionals[0] ?? ""));
  return EXIT.done;
};

/** The parser lets through bash, zsh and fish only. */
export function completionScript(shell: string): string {
  const specs: readonly CommandSpec[] = COMMANDS;
  if (shell === "fish") return fish(specs);
  if (shell === "zsh") return `#compdef hwledger\nautoload -U +X bashcompinit && bashcompinit\n${bash(specs)}`;
  return bash(specs);
}

function offered(spec: CommandSpec): OptionSpec[] {
  return [...spec.options.filter((o) => o.hidden !== true), { name: "help", value: "", help: "show this help" }];
}

/** Options whose value is a path. */
const FILE_OPTIONS: ReadonlySet<string> = new Set(["requests"]);

function bash(specs: readonly CommandSpec[]): string {
  const names = specs.map((s) => s.name).join(" ");
  const cases = specs.map((spec) => {
    const words = [...(spec.verbs ?? []), ...offered(spec).map((o) => `--${o.name}`)].join(" ");
    const values = offered(spec)
      .filter((o) => o.value !== "")
      .map(
        (o) =>
          `        --${o.name}) ${FILE_OPTIONS.has(o.name) ? filesOf("$current") : `COMPREPLY=($(compgen -W "${(o.choices ?? []).join(" ")}" -- "$current"))`}; return ;;`,
      );
    const previous = values.length === 0 ? [] : ['      case "$previous" in', ...values, "      esac"];
    return [`    ${spec.name})`, ...previous, `      words="${words}" ;;`].join("\n");
  });
  return `_hwledger() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${names} help --help --version" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    *) return ;;
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _hwledger hwledger
`;
}

function filesOf(word: string): string {
  return `COMPREPLY=($(compgen -f -- "${word}"))`;
}

function fish(specs: readonly CommandSpec[]): string {
  const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = specs.flatMap((spec) => [
    `complete -c hwledger -n __fish_use_subcommand -f -a ${spec.name} -d ${quote(spec.summary)}`,
    ...(spec.verbs === undefined
      ? []
      : [`complete -c hwledger -n "__fish_seen_subcommand_from ${spec.name}" -f -a ${quote(spec.verbs.join(" "))}`]),
    ...offered(spec).map((option) => {
      const value =
        option.value === ""
          ? ""
          : FILE_OPTIONS.has(option.name)
            ? " -r"
            : option.choices === undefined
              ? " -x"
              : ` -x -a ${quote(option.choices.join(" "))}`;
      return `complete -c hwledger -n "__fish_seen_subcommand_from ${spec.name}" -l ${option.name}${value} -d ${quote(option.help)}`;
    }),
  ]);
  return `${lines.join("\n")}\n`;
}
