import type { ModelSpec } from "../../model.ts";
import { isAttention } from "./share.ts";

/** Reads a text at once and keeps nothing of it: it makes vectors, and writes no words. */
export function isEncoder({ layers }: ModelSpec): boolean {
  return layers.some(({ mixers }) => mixers.some((mixer) => isAttention(mixer) && !mixer.cached));
}
