import { formatBytes } from "../../format.ts";
import type { LatentMixer, ModelSpec } from "../../model.ts";
import { resident, residentFormat } from "./resident.ts";

/** One sentence: what mistral.rs does otherwise than the others with this model's memory. */
export function mistralDifference(model: ModelSpec): string {
  const latent = model.layers
    .flatMap(({ mixers }) => mixers)
    .find((mixer): mixer is LatentMixer => mixer.kind === "latent");
  if (latent !== undefined) {
    const whole = latent.heads * (latent.nopeDim + latent.ropeDim + latent.valueDim);
    const row = latent.kvLoraRank + latent.ropeDim;
    return `mistral.rs caches the latent row only with paged attention on CUDA; elsewhere it keeps every head's keys and values, ${(whole / row).toFixed(1)} times as much.`;
  }
  if (model.layers.some(({ mixers }) => mixers.some(({ kind }) => kind === "state")))
    return "mistral.rs sets aside recurrent states for 9 sequences at once, then 18, whatever is asked for.";
  const { merged } =
    model.weights === null || residentFormat(model) === null ? { merged: 0 } : resident(model, 2, 1, false);
  if (merged > 0)
    return `mistral.rs keeps gate and up of unquantized dense layers a second time as one matrix: ${formatBytes(merged)} more than the file has.`;
  if (model.layers.some(({ mixers }) => mixers.some(({ kind }) => kind === "sliding")))
    return "With paged attention mistral.rs keeps the whole context in windowed layers, too; without it a window and up to 512 tokens more.";
  return "Left to itself mistral.rs fills 90 % of a GPU with cache blocks; without paged attention a cache grows by 512 tokens and is copied each time.";
}
