import { formatBytes } from "../../format.ts";
import type { ModelSpec } from "../../model.ts";
import { ringTokens } from "./caches.ts";
import { supportOf } from "./support.ts";

/** One sentence: what ExLlamaV3 does otherwise than the others with this model's memory. */
export function exllamaDifference(model: ModelSpec): string {
  for (const { mixers } of model.layers) {
    for (const mixer of mixers) {
      if (mixer.kind !== "sliding" || mixer.window === null) continue;
      return supportOf(model)?.rings === true
        ? `ExLlamaV3 keeps a ring of ${ringTokens(mixer.window)} tokens for each sequence in windowed layers, in 16 bits whatever the cache's type.`
        : "ExLlamaV3 keeps the whole context in this model's windowed layers, too.";
    }
  }
  const embedding = model.outside.find(({ role }) => role === "embedding");
  const bytes = 2 * (embedding?.shape.reduce((product, n) => product * n, 1) ?? 0);
  return `ExLlamaV3 keeps the embedding in system memory, ${formatBytes(bytes)} here, and its cache can have 2 to 8 bits for keys and for values.`;
}
