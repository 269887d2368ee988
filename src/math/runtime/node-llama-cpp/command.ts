import type { Machine } from "../../machine.ts";
import type { CommandModel } from "../llama-cpp/command.ts";
import type { LlamaCppOptions } from "../llama-cpp/types.ts";
import { shellWord } from "../shell.ts";

interface Chosen {
  readonly batchSize: number;
  readonly machine: Machine;
}

/**
 * Its chat for one sequence; a script for several, which the chat does not have.
 * @source withcatai/node-llama-cpp@f53ea51d1e44fc5f7ff08aa0c430e06e94b2cda2 src/cli/commands/ChatCommand.ts
 */
export function nodeCommand(options: LlamaCppOptions, chosen: Chosen, model: CommandModel, weights: string): string {
  const from = modelOf(model, weights);
  const gpuLayers = chosen.machine.accelerators.length === 0 ? null : options.gpuLayers;
  const { context, sequences, flashAttention, kvTypeK, kvTypeV, swaFull } = options;
  if (sequences === 1) {
    return [
      "npx --yes node-llama-cpp chat",
      `--model ${shellWord(from)}`,
      `--contextSize ${context}`,
      `--batchSize ${chosen.batchSize}`,
      ...(gpuLayers === null ? [] : [`--gpuLayers ${gpuLayers}`]),
      flashAttention ? "--flashAttention" : "--no-flashAttention",
      ...(kvTypeK === "F16" ? [] : [`--kvCacheKeyType ${kvTypeK}`]),
      ...(kvTypeV === "F16" ? [] : [`--kvCacheValueType ${kvTypeV}`]),
      ...(swaFull ? ["--swaFullCache"] : []),
    ].join(" ");
  }
  const load = { modelPath: from, ...(gpuLayers === null ? {} : { gpuLayers }) };
  const create = {
    contextSize: context,
    sequences,
    batchSize: chosen.batchSize,
    flashAttention,
    ...(kvTypeK === "F16" ? {} : { experimentalKvCacheKeyType: kvTypeK }),
    ...(kvTypeV === "F16" ? {} : { experimentalKvCacheValueType: kvTypeV }),
    ...(swaFull ? { swaFullCache: true } : {}),
  };
  const path = from.startsWith("hf:") ? `await resolveModelFile(${JSON.stringify(from)})` : JSON.stringify(from);
  const rest = JSON.stringify({ ...load, modelPath: undefined });
  return `node --input-type=module -e ${shellWord(
    `import { getLlama, resolveModelFile } from "node-llama-cpp"; const model = await (await getLlama()).loadModel({ modelPath: ${path}, ...${rest} }); await model.createContext(${JSON.stringify(create)});`,
  )}`;
}

function modelOf(model: CommandModel, weights: string): string {
  if (model.source === "hub" && model.id !== null && model.file !== null) return `hf:${model.id}:${weights}`;
  if (model.file !== null) return model.file;
  return `${(model.id ?? "model").split("/").at(-1) ?? "model"}-${weights}.gguf`;
}
