import type { ModelSpec } from "../../model.ts";

/** What llama.cpp does otherwise than other engines with this model, in one sentence. */
export function llamaDifference(model: ModelSpec): string {
  const kinds = new Set(model.layers.flatMap((layer) => layer.mixers.map((mixer) => mixer.kind)));
  const whole = "llama.cpp takes the cache of the whole context when it loads";
  if (kinds.has("latent")) return `${whole} and keeps keys and values of latent attention compressed.`;
  if (kinds.has("sliding") || kinds.has("chunked"))
    return `${whole}, only as long as the window and one batch in layers with a window.`;
  if (kinds.has("state")) return `${whole} and the states of recurrent layers in 32 bits.`;
  return `${whole} and can leave layers in system memory.`;
}
