/** What a step of ExLlamaV3 needs beside weights and caches: one chunk's activations, and a matrix unpacked at a time. */
import type { FeedForward, LayerSpec, ModelSpec } from "../../model.ts";
import { formatOf } from "../../parts/formats/index.ts";
import type { ExllamaOptions } from "./types.ts";

/** Columns that are unpacked at once. @source exllamav3 v1.4.1 modules/quant/exl3.py MAX_RECONSTRUCT_SLICE_N */
const MOST_COLUMNS = 32_768;
/** Rows of logits that a load makes room for. @source exllamav3 v1.4.1 model/model.py load_gen max_output_size */
const OUTPUT_ROWS = 32;
/** The hidden state in 32 bits, a block's output the same, and its norm in 16. */
const HIDDEN_BYTES = 4 + 4 + 2;

/** Of a feed-forward block: gate and up in 32 bits, their product in 16. @source exllamav3 v1.4.1 modules/mlp.py make_tp_allocation */
const MLP_BYTES = 2 * 4 + 2;

/**
 * Bytes on one device: tokens · (10 · hidden + the widest block's rows) + its largest matrix in 16 bits.
 * @source exllamav3 v1.4.1 make_tp_allocation of modules/{attn,mlp,block_sparse_mlp}.py: overhead_to_split, recons_temp
 */
export function activationBytes(model: ModelSpec, { chunk, tensorParallel }: ExllamaOptions): number {
  const packed = formatOf(model).method === "exl3";
  let most = 0;
  for (const layer of model.layers) {
    for (const { rows, matrix } of [attentionOf(layer, model.embeddingLength), feedForwardOf(layer.feedForward, model)])
      most = Math.max(most, (chunk * rows + (packed ? 2 * matrix : 0)) / tensorParallel);
  }
  return Math.round(chunk * HIDDEN_BYTES * model.embeddingLength + most);
}

interface Block {
  /** Bytes of a token. */
  readonly rows: number;
  /** Elements of its largest matrix. */
  readonly matrix: number;
}

function attentionOf({ mixers }: LayerSpec, hidden: number): Block {
  let rows = 0;
  let widest = 0;
  for (const mixer of mixers) {
    if (mixer.kind === "state") {
      const channels = mixer.convKernel > 1 ? mixer.convElements / (mixer.convKernel - 1) : mixer.convElements;
      rows += 4 * channels * 2;
      widest = Math.max(widest, channels);
      continue;
    }
    const query =
      mixer.kind === "latent" ? mixer.heads * (mixer.nopeDim + mixer.ropeDim) : mixer.heads * mixer.headDimK;
    const row = mixer.kind === "latent" ? mixer.kvLoraRank + mixer.ropeDim : mixer.kvHeads * mixer.headDimK;
    rows += 2 * 2 * (query + row);
    widest = Math.max(widest, query);
  }
  return { rows, matrix: hidden * Math.min(widest, MOST_COLUMNS) };
}

function feedForwardOf(block: FeedForward, { embeddingLength }: ModelSpec): Block {
  if (block.kind === "none") return { rows: 0, matrix: 0 };
  if (block.kind === "dense")
    return { rows: MLP_BYTES * block.width, matrix: embeddingLength * Math.min(block.width, MOST_COLUMNS) };
  const width = block.expertsUsed * block.expertWidth + block.sharedWidth;
  const widest = Math.max(block.expertWidth, block.sharedWidth);
  return { rows: MLP_BYTES * width, matrix: embeddingLength * Math.min(widest, MOST_COLUMNS) };
}

/** Logits of 32 rows, in 16 bits, and the slice of the head that is unpacked for more than 144 rows is none of them. */
export function outputBytes(model: ModelSpec, sequences: number): number {
  return Math.max(OUTPUT_ROWS, sequences) * model.vocabularySize * 2;
}

/**
 * A quantised layer's keys and values in 16 bits, where its heads have a width that the kernels do not unpack by themselves.
 * @source exllamav3 v1.4.1 modules/attention_fn/dispatch.py attn_dispatch, cache/quant.py get_kv
 */
export function unpackedBytes(model: ModelSpec, { bits, tensorParallel }: ExllamaOptions, tokens: number): number {
  if (bits === null) return 0;
  let most = 0;
  for (const { mixers } of model.layers) {
    for (const mixer of mixers) {
      if (mixer.kind === "state" || mixer.kind === "latent" || !mixer.cached) continue;
      const { kvHeads, headDimK } = mixer;
      if (headDimK <= 512 && (headDimK & (headDimK - 1)) === 0) continue;
      most = Math.max(most, (2 * 2 * kvHeads * headDimK * tokens) / tensorParallel);
    }
  }
  return most;
}
