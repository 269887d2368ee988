import { pad } from "../../units.ts";
import { NEWEST_RULES } from "./rules.ts";
import type { CacheShape, LlamaCppOptions } from "./types.ts";

/** llama.cpp pads every cache to this many cells. @source src/llama-context.cpp, src/llama-kv-cache-iswa.cpp@34af94cd9ab277632e27caeec2d41de2fd091b31 (since b6975) */
export const CELL_PADDING = 256;

/** LLAMA_MAX_SEQ. @source include/llama.h and src/llama-cparams.h@34af94cd9ab277632e27caeec2d41de2fd091b31 */
export const MAX_SEQUENCES = 256;

/**
 * How long llama.cpp makes its caches, in cells.
 *   unified:  n_ctx = pad(context, 256), one stream of n_ctx cells
 *   else:     n_ctx = pad(context·S, 256); S streams of pad(⌊n_ctx / S⌋, 256) cells, and n_ctx becomes their sum
 *   window w: pad(min(cells, w·(unified ? S : 1) + n_ubatch), 256), or all cells with swa_full
 * n_batch and n_ubatch are first cut to n_ctx as it was asked for, before any padding: a step computes as many tokens.
 * Older builds pad otherwise, share one cache of n_ctx cells among all sequences, and have other windows (rules.ts).
 * @source src/llama-context.cpp, src/llama-kv-cache-iswa.cpp@34af94cd9ab277632e27caeec2d41de2fd091b31
 */
export function shapeCaches(
  options: Pick<LlamaCppOptions, "kvUnified" | "batch" | "ubatch" | "swaFull"> &
    Partial<Pick<LlamaCppOptions, "flashAttention" | "rules" | "causal">>,
  context: number,
  sequences: number,
): CacheShape {
  const { rules = NEWEST_RULES, flashAttention = true } = options;
  const padding = flashAttention ? rules.padding : rules.paddingWithoutFlashAttention;
  const tokens = options.kvUnified ? context : context * sequences;
  const unified = options.kvUnified || !rules.streams;
  const asked = pad(tokens, padding);
  const streams = unified ? 1 : sequences;
  const cells = unified ? asked : pad(Math.floor(asked / sequences), padding);
  const contextTotal = cells * streams;
  // Only a model that reads in one direction cuts its batch to the context that was asked for.
  const longest = options.causal === false ? contextTotal : tokens;
  const ubatch = Math.min(options.ubatch, options.batch, longest);
  const step = rules.windows === "n_batch" ? Math.min(options.batch, tokens) : ubatch;
  return {
    contextTotal,
    streams,
    cells,
    stepTokens: ubatch,
    windowCells: (window) =>
      options.swaFull || rules.windows === "as long as all others"
        ? cells
        : pad(Math.min(cells, window * (unified ? sequences : 1) + step), padding),
  };
}
