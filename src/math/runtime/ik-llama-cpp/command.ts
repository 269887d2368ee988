import type { Machine } from "../../machine.ts";
import type { CommandModel } from "../llama-cpp/command.ts";
import { llamaCommand } from "../llama-cpp/command.ts";
import type { LlamaCppOptions } from "../llama-cpp/types.ts";
import { shellWord } from "../shell.ts";
import type { LatentMode } from "./latent.ts";

interface Chosen {
  readonly mode: LatentMode;
  readonly attentionBatch: number;
  readonly machine: Machine;
}

/**
 * llama.cpp's command with its own flags; flash attention is on or off without a word, and -mla, -amb are always said.
 * @source common/common.cpp@8337e4cd3861406fc04e0854b1409cd1b027fbc9
 */
export function ikCommand(options: LlamaCppOptions, chosen: Chosen, model: CommandModel, weights: string): string {
  const { mode, attentionBatch, machine } = chosen;
  const command = llamaCommand(options, machine, { ...model, source: "file" }, weights);
  const repository =
    model.source === "hub" && model.id !== null && model.file !== null
      ? ` -hfr ${shellWord(model.id)} -hff ${shellWord(model.file)}`
      : "";
  return `${command}${repository} -mla ${mode} -amb ${attentionBatch}`;
}
