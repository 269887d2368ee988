/** What a step of mistral.rs needs beside weights and caches: the prompt's activations, and copies of its cache. */
import type { FeedForward, ModelSpec } from "../../model.ts";
import { grownTokens } from "./caches.ts";
import { ATTENTION_CHUNK } from "./mapper.ts";
import type { CacheRow, MistralOptions } from "./types.ts";

/** Tokens of a prompt in one step with paged attention. @source mistral.rs v0.9.2 pipeline/mod.rs DEFAULT_PAGED_PREFILL_CHUNK_SIZE */
const PAGED_CHUNK = 4096;
/**
 * Rows of the feed-forward block's width and of the hidden state's alive at once: gate and up as one, each by itself, and
 * their product; residual, norm, input, output. Counted from the source and seen in a run on a CPU
 * (tests/math/runtime/mistral-rs): between 0.98 and 1.06 of this for prompts of 500 to 4000 tokens.
 */
const WIDTHS = 5;
const HIDDENS = 4;
/** Bytes of a pair of tokens while the causal mask is made, and once it is. Seen in the same run. */
const MASK_MAKING = 9.5;
const MASK = 4;

/** Tokens computed at once: without paged attention the whole prompt, which may be as long as the context. */
export function stepTokens({ paged }: MistralOptions, context: number, sequences: number): number {
  return paged ? Math.min(context * sequences, PAGED_CHUNK) : context;
}

/** Bytes of a step's activations on one device. */
export function activationBytes(model: ModelSpec, options: MistralOptions, tokens: number, onCpu: boolean): number {
  let widest = 0;
  for (const { feedForward } of model.layers) widest = Math.max(widest, widthOf(feedForward));
  const rows =
    tokens * options.typeBytes * ((WIDTHS * widest) / options.tensorParallel + HIDDENS * model.embeddingLength);
  if (!onCpu) return Math.round(rows);
  return Math.round(Math.max(rows + MASK * tokens ** 2, MASK_MAKING * tokens ** 2));
}

/** Scores of one chunk of queries against the context, where no fused kernel runs. */
export function scoreBytes(model: ModelSpec, options: MistralOptions, tokens: number, context: number): number {
  let heads = 0;
  for (const { mixers } of model.layers)
    for (const mixer of mixers) if (mixer.kind !== "state") heads = Math.max(heads, mixer.heads);
  return 2 * (heads / options.tensorParallel) * Math.min(tokens, ATTENTION_CHUNK) * context * options.typeBytes;
}

function widthOf(feedForward: FeedForward): number {
  if (feedForward.kind === "none") return 0;
  if (feedForward.kind === "dense") return feedForward.width;
  return feedForward.expertsUsed * feedForward.expertWidth + feedForward.sharedWidth;
}

/**
 * Bytes that a prompt's own copies of the cache take without paged attention, at most: an empty buffer for the keys (and
 * one for the values where they are of another width) of each sequence's prompt, which stays until the sequence is done;
 * and the whole prompt's keys and values of each windowed layer until its next token.
 * @source mistral.rs v0.9.2 engine/add_request.rs seq_preallocated_cache, kv_cache/rotating_cache.rs last_append_result
 */
export function promptCopies(
  rows: readonly CacheRow[],
  { paged, kvBytes }: MistralOptions,
  context: number,
  sequences: number,
  hybrid: boolean,
): { readonly keys: number; readonly windows: number } {
  if (paged) return { keys: 0, windows: 0 };
  let keys = 0;
  let windows = 0;
  for (const { key, value, window, shared } of rows) {
    if (shared) continue;
    if (window !== null) windows += context > window ? (key + value) * context : 0;
    else if (!hybrid) keys += (key === value ? key : key + value) * grownTokens(context, null) * sequences;
  }
  return { keys: keys * kvBytes, windows: windows * kvBytes };
}

/**
 * Cosines and sines of every trained position, once for each width of head on each device: positions · width · type.
 * @source mistral.rs v0.9.2 mistralrs-core/src/layers.rs RotaryEmbedding
 */
export function rotaryBytes(model: ModelSpec, typeBytes: number): number {
  const tables = new Set<string>();
  let elements = 0;
  for (const { mixers } of model.layers) {
    for (const mixer of mixers) {
      if (mixer.kind === "state" || (mixer.kind !== "latent" && !mixer.rotary)) continue;
      const width = mixer.kind === "latent" ? mixer.ropeDim : mixer.headDimK;
      const table = `${mixer.kind === "sliding"} ${width}`;
      if (tables.has(table)) continue;
      tables.add(table);
      elements += width;
    }
  }
  return (model.contextTrained ?? 0) * elements * typeBytes;
}
