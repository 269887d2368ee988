import { GIB } from "../../units.ts";
import type { RankLoad, Ranks } from "../torch/assemble.ts";

/** Share that weights were off by, and the activations' formula; graphs and libraries in bytes. From what vLLM printed (docs/accuracy.md). */
const WEIGHTS_BAND = 0.004;
const COMPUTE_LESS = 0.3;
const COMPUTE_MORE = 0.5;
const STANDING_LESS = 0.4 * GIB;
const STANDING_MORE = 0.9 * GIB;

export function rangeOf(
  load: RankLoad,
  weights: number,
  ranks: Ranks,
): { readonly less: number; readonly more: number } {
  let less = weights * WEIGHTS_BAND;
  let more = less;
  for (const stage of load.stages) {
    less += ranks.tensor * (stage.compute * COMPUTE_LESS + Math.min(STANDING_LESS, stage.overhead));
    more += ranks.tensor * (stage.compute * COMPUTE_MORE + STANDING_MORE);
  }
  return { less, more };
}
