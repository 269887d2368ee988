import type { Machine } from "../../machine.ts";
import { DEFAULT_BATCH, DEFAULT_UBATCH } from "./resolve.ts";
import type { LlamaCppOptions } from "./types.ts";

/** Where the weights come from, for the command: a file here, or a GGUF repository of the hub with the quantisation to take. */
export interface CommandModel {
  readonly id: string | null;
  readonly source: string | null;
  /** File name or path of the GGUF; null when no GGUF is known. */
  readonly file: string | null;
}

/**
 * The command line that runs this plan. Everything that differs from llama.cpp's own default is said, and -c, -ngl
 * always, so that neither --fit nor a new default changes the plan. -c is n_ctx: context x sequences unless the pool is unified.
 * @source common/arg.cpp@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export function llamaCommand(options: LlamaCppOptions, machine: Machine, model: CommandModel, weights: string): string {
  const bench = options.program === "llama-bench";
  const program = options.program === "api" ? "llama-server" : options.program;
  const args: string[] = [program, ...modelArguments(model, weights).map(quote)];
  if (!bench) {
    args.push("-c", String(options.kvUnified ? options.context : options.context * options.sequences));
    if (program === "llama-server") args.push("-np", String(options.sequences));
    if (options.kvUnified) args.push("--kv-unified");
    if (options.swaFull) args.push("--swa-full");
  }
  if (machine.accelerators.length > 0) args.push("-ngl", String(options.gpuLayers));
  if (options.batch !== DEFAULT_BATCH) args.push("-b", String(options.batch));
  if (options.ubatch !== DEFAULT_UBATCH) args.push("-ub", String(options.ubatch));
  args.push("-fa", bench ? (options.flashAttention ? "1" : "0") : options.flashAttention ? "on" : "off");
  if (options.kvTypeK !== "F16") args.push("-ctk", options.kvTypeK.toLowerCase());
  if (options.kvTypeV !== "F16") args.push("-ctv", options.kvTypeV.toLowerCase());
  if (options.splitMode !== "layer") args.push("-sm", options.splitMode);
  if (options.tensorSplit !== null) args.push("-ts", options.tensorSplit.join(bench ? "/" : ","));
  for (const { pattern, buffer } of options.overrideTensor) args.push("-ot", quote(`${pattern}=${buffer}`));
  if (options.cpuMoeLayers > 0) args.push("--n-cpu-moe", String(options.cpuMoeLayers));
  return args.join(" ");
}

function modelArguments(model: CommandModel, weights: string): string[] {
  if (model.source === "hub" && model.id !== null && model.file !== null) return ["-hf", `${model.id}:${weights}`];
  if (model.file !== null) return ["-m", model.file];
  const name = (model.id ?? "model").split("/").at(-1) ?? "model";
  return ["-m", `${name}-${weights}.gguf`];
}

/** POSIX shell quoting: single quotes around anything that a shell could read as more than a word. */
function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
