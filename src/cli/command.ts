/** What a command is: its words and options as data (help, completion and the parser are made of them), and a function that runs it. */
import type { Config } from "../config.ts";
import type { Output } from "./output.ts";

export interface OptionSpec {
  /** Without its dashes. */
  readonly name: string;
  /** What stands for the value in help; "" for a switch, which also takes --no-NAME. */
  readonly value: string;
  readonly help: string;
  readonly choices?: readonly string[];
  /** Understood, and not offered. */
  readonly hidden?: boolean;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** Lines after "hwledger". */
  readonly usage: readonly string[];
  readonly options: readonly OptionSpec[];
  readonly positionals: { readonly least: number; readonly most: number; readonly what: string };
  /** First positional of commands such as `models list`. */
  readonly verbs?: readonly string[];
  readonly notes?: readonly string[];
}

/** A command line after parsing: options by name, "true" and "false" for switches. */
export interface Invocation {
  readonly values: ReadonlyMap<string, string>;
  readonly positionals: readonly string[];
}

export interface Context {
  readonly config: Config;
  readonly out: Output;
  readonly json: boolean;
}

/** Runs and answers with the exit status. Loaded only when it is the one that was asked for. */
export type RunCommand = (invocation: Invocation, context: Context) => Promise<number>;

/** Exit statuses of the contract. */
export const EXIT = { done: 0, failed: 1, usage: 2, doesNotFit: 3, unknown: 4 } as const;
