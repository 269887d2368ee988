import { expect, test } from "bun:test";
import fc from "fast-check";
import { COMMANDS } from "../../src/cli/commands.ts";
import { parseArgs } from "../../src/cli/parse-args.ts";
import { AppError } from "../../src/errors.ts";

function spec(name: string): (typeof COMMANDS)[number] {
  const found = COMMANDS.find((command) => command.name === name);
  if (found === undefined) throw new Error(`no command ${name}`);
  return found;
}

function parse(line: string): { readonly values: Record<string, string>; readonly positionals: readonly string[] } {
  const [name = "", ...args] = line.split(" ");
  const { values, positionals } = parseArgs(spec(name), args);
  return { values: Object.fromEntries(values), positionals };
}

test.each([
  ["plan org/name --context 8192 --json", { context: "8192", json: "true" }, ["org/name"]],
  ["plan --context=8192 org/name", { context: "8192" }, ["org/name"]],
  ["plan m --context -5", { context: "-5" }, ["m"]],
  ["plan m --no-kv-unified --swa-full", { "kv-unified": "false", "swa-full": "true" }, ["m"]],
  ["plan --requests - --summary", { requests: "-", summary: "true" }, []],
  ["plan m --override-tensor=exps=CPU", { "override-tensor": "exps=CPU" }, ["m"]],
  ["plan -- --model", {}, ["--model"]],
  ["serve --port 0 --no-open", { port: "0", open: "false" }, []],
  ["completion zsh", {}, ["zsh"]],
  ["plan -h", { help: "true" }, []],
] as const)("%s", (line, values, positionals) => {
  expect(parse(line)).toEqual({ values, positionals: [...positionals] });
});

test.each([
  ["plan m --contxt 5", "Cannot use --contxt with hwledger plan: there is no such option", "did you mean --context?"],
  ["plan m -x", "Cannot use -x with hwledger plan: there is no such option", "hwledger plan --help"],
  ["plan m --context", "Cannot use --context without a value: TOKENS is wanted", "--context TOKENS"],
  ["plan m --context --json", "Cannot use --context without a value: TOKENS is wanted", "--context TOKENS"],
  ["plan m --context=", "Cannot use --context without a value: TOKENS is wanted", "--context TOKENS"],
  ["plan m --json=yes", 'Cannot use --json with the value "yes": it takes none', "--no-json"],
  ["plan m --context 1 --context 2", "Cannot use --context twice: once is enough", "hwledger plan --help"],
  ["plan m --no-context", "Cannot use --no-context with hwledger plan: there is no such option", ""],
  ["plan m n", 'Cannot use "n" with hwledger plan: one MODEL is all it takes', "hwledger plan --help"],
  [
    "plan m --flash-attention maybe",
    'Cannot use --flash-attention "maybe": on, off, auto are the choices',
    "write --flash-attention on",
  ],
  ["plan m --program llama-servr", 'Cannot use --program "llama-servr"', "did you mean llama-server"],
  ["devices x", 'Cannot use "x" with hwledger devices: it takes options only', "hwledger devices --help"],
  ["models", "Cannot run hwledger models without saying what to do: it takes list, show", "hwledger models --help"],
  ["models lst", 'Cannot run hwledger models "lst": it takes list, show', "did you mean list?"],
  ["completion tcsh", 'Cannot run hwledger completion "tcsh": it takes bash, zsh, fish', "hwledger completion --help"],
] as const)("%s is refused", (line, message, hint) => {
  let thrown: unknown;
  try {
    parse(line);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(AppError);
  if (!(thrown instanceof AppError)) return;
  expect(thrown.code).toBe("usage");
  expect(thrown.message).toStartWith(message);
  expect(thrown.hint ?? "").toContain(hint);
});

test("any words are an invocation or an AppError", () => {
  const word = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom(
      "--",
      "-",
      "--json",
      "--no-json",
      "--context",
      "--context=",
      "-5",
      "--help",
      "--=x",
      "---",
      "--no-",
      "--__proto__",
      "-abc",
      "list",
    ),
  );
  fc.assert(
    fc.property(fc.constantFrom(...COMMANDS), fc.array(word, { maxLength: 6 }), (command, args) => {
      try {
        expect(parseArgs(command, args).positionals).toBeArray();
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
      }
    }),
    { numRuns: 1000 },
  );
});
