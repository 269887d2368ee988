import { formatInteger } from "../../format.ts";
import type { ModelSpec } from "../../model.ts";
import { moduleOf } from "./modules.ts";
import { traitsOf } from "./traits.ts";

/** What mlx-lm does otherwise than other engines with this model's memory, in one sentence. */
export function mlxDifference(model: ModelSpec): string {
  const module = moduleOf(model);
  if (module === null) return `mlx-lm has no model of type ${model.modelType ?? model.architecture}`;
  const traits = traitsOf(module);
  for (const { mixers } of model.layers) {
    for (const mixer of mixers) {
      if (mixer.kind === "latent" && traits.decompressedLatent) {
        const each = mixer.heads * (mixer.nopeDim + mixer.ropeDim + mixer.valueDim);
        const times = each / (mixer.kvLoraRank + mixer.ropeDim);
        return `mlx-lm keeps latent attention's keys and values decompressed, ${formatInteger(each)} elements a token and layer: ${times.toFixed(1)} times what llama.cpp keeps`;
      }
      if ((mixer.kind === "sliding" || mixer.kind === "chunked") && mixer.window !== null) {
        return traits.ignoresWindows
          ? "mlx-lm keeps every token of layers with a window too, and grows caches with the text by 256 tokens"
          : "mlx-lm grows caches with the text by 256 tokens, and keeps a window and one step of the prompt where llama.cpp keeps a window and one batch";
      }
    }
  }
  if (model.layers.some(({ sideCaches }) => sideCaches.length > 0) && !traits.sideOnce)
    return "mlx-lm keeps an indexer's keys twice, as keys and as values, and grows caches with the text by 256 tokens";
  return "mlx-lm grows caches with the text by 256 tokens instead of taking the whole context when it loads";
}
