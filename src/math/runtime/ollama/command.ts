import type { PlanExtras } from "../../extras.ts";
import type { PlanOptions } from "../../options.ts";
import type { CommandModel } from "../llama-cpp/command.ts";
import type { LlamaCppOptions } from "../llama-cpp/types.ts";
import { shellWord } from "../shell.ts";

/**
 * A server with this plan's environment, a model made of a Modelfile, and a chat with it. num_gpu only where a number was
 * asked for: otherwise llama-server lays the layers out itself.
 * @source ollama/ollama@fb30760996871fa9460115c753afd2c60d4ab0f7 envconfig/config.go, docs/modelfile.mdx
 */
export function ollamaCommand(
  options: LlamaCppOptions,
  { asked, extras }: { readonly asked: PlanOptions; readonly extras: PlanExtras },
  model: CommandModel,
  weights: string,
): string {
  const environment = [
    ...(options.sequences > 1 ? [`OLLAMA_NUM_PARALLEL=${options.sequences}`] : []),
    ...(asked.flashAttention === "on" ? ["OLLAMA_FLASH_ATTENTION=1"] : []),
    ...(asked.flashAttention === "off" ? ["OLLAMA_FLASH_ATTENTION=0"] : []),
    ...(options.kvTypeK === "F16" ? [] : [`OLLAMA_KV_CACHE_TYPE=${options.kvTypeK.toLowerCase()}`]),
  ];
  const lines = [
    `FROM ${from(model, weights)}`,
    ...(extras.projector === null ? [] : [`FROM ${extras.projector.name}`]),
    ...extras.adapters.map(({ name }) => `ADAPTER ${name}`),
    `PARAMETER num_ctx ${options.context}`,
    `PARAMETER num_batch ${options.batch}`,
    ...(typeof asked.gpuLayers === "number" ? [`PARAMETER num_gpu ${options.gpuLayers}`] : []),
  ];
  const serve = environment.length === 0 ? "" : `${environment.join(" ")} ollama serve & `;
  return `${serve}printf '%s\\n' ${lines.map(shellWord).join(" ")} > Modelfile && ollama create planned -f Modelfile && ollama run planned`;
}

function from(model: CommandModel, weights: string): string {
  if (model.source === "hub" && model.id !== null && model.file !== null) return `hf.co/${model.id}:${weights}`;
  if (model.file !== null) return model.file;
  return `./${(model.id ?? "model").split("/").at(-1) ?? "model"}-${weights}.gguf`;
}
