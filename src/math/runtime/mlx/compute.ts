import type { Backend } from "../../machine.ts";
import type { LayerSpec, ModelSpec } from "../../model.ts";
import { DEFAULT_STEP, PROMPTS_AT_ONCE } from "./options.ts";
import { traitsOf } from "./traits.ts";

/**
 * What MLX keeps alive beside weights and caches while a step of the prompt is computed. Metal runs behind the program:
 * up to ten command buffers are under way, each closed when its operations' inputs exceed 50 MB (40 MB on a base or Pro
 * chip), and what they read and write lives until they are done. The four numbers are fitted to measured peaks of three
 * models at steps of 1024 to 2048 tokens (tests/fixtures/mlx says which, and which rows they were judged on). In 10^9 bytes:
 *   BASE + STEP * T / 2048 + HIDDEN * (2 B * T * embedding length) + GROWTH * (bytes of one layer's cache)
 * @source mlx 0.32.4 mlx/backend/metal/device.cpp max_mb_per_buffer_, mlx/transforms.cpp eval_impl
 */
export const MLX_FIT = { base: 0.594, step: 0.132, hidden: 1.704, growth: 0.733 } as const;

/**
 * Shares of what is predicted beside weights and caches. Measured peaks of the fit and of the judgement lie within the
 * first; nothing was measured of other kinds of layers, of several sequences or short steps on Metal, nor elsewhere at all.
 */
const SHARE = {
  measured: { low: 0.7, high: 1.5 },
  metal: { low: 0.4, high: 2 },
  other: { low: 0.3, high: 3 },
} as const;
/** Tokens of the shortest step that was measured. */
const SHORTEST_MEASURED = 1023;

/** Widths of a head that Metal's fused attention has for prompts. @source mlx 0.32.4 mlx/backend/metal/scaled_dot_product_attention.cpp */
const FUSED: ReadonlySet<number> = new Set([64, 72, 80, 96, 128]);

/** What of a model a step's memory depends on, found once. */
export interface ComputeTraits {
  readonly embedding: number;
  /** Elements of all arrays of one token's way through the model, none freed: the most there can be at once. */
  readonly elementsPerToken: number;
  /** Heads whose scores are laid down in full, of the layer that has most; 0: all attention is fused. */
  readonly unfusedHeads: number;
  /** Elements per token of convolutions' inputs that a state keeps alive until the next step. */
  readonly keptConvElements: number;
  readonly vocabulary: number;
  /** All layers are of the kind whose peaks were measured: attention that is fused. */
  readonly measured: boolean;
}

function layerElements({ mixers, feedForward }: LayerSpec, embedding: number): number {
  let elements = 6 * embedding;
  for (const mixer of mixers) {
    if (mixer.kind === "state") elements += 6 * mixer.innerSize;
    else if (mixer.kind === "latent")
      elements += mixer.heads * (2 * (mixer.nopeDim + mixer.ropeDim) + 2 * mixer.valueDim);
    else elements += 3 * mixer.heads * mixer.headDimK + 2 * mixer.kvHeads * (mixer.headDimK + mixer.headDimV);
  }
  if (feedForward.kind === "dense") elements += (feedForward.gated ? 3 : 2) * feedForward.width;
  if (feedForward.kind === "moe")
    elements +=
      feedForward.expertsUsed * (3 * feedForward.expertWidth + 2 * embedding) +
      3 * feedForward.sharedWidth +
      3 * feedForward.experts;
  return elements;
}

export function computeTraits(model: ModelSpec, module: string): ComputeTraits {
  const { keepsConvInput } = traitsOf(module);
  let elementsPerToken = 0;
  let unfusedHeads = 0;
  let keptConvElements = 0;
  for (const layer of model.layers) {
    elementsPerToken += layerElements(layer, model.embeddingLength);
    for (const mixer of layer.mixers) {
      if (mixer.kind === "state") {
        if (keepsConvInput && mixer.convKernel > 1) keptConvElements += mixer.convElements / (mixer.convKernel - 1);
      } else if (mixer.kind === "latent") unfusedHeads = Math.max(unfusedHeads, mixer.heads);
      else if (!FUSED.has(mixer.headDimK) || mixer.headDimK !== mixer.headDimV)
        unfusedHeads = Math.max(unfusedHeads, mixer.heads);
    }
  }
  return {
    embedding: model.embeddingLength,
    elementsPerToken,
    unfusedHeads,
    keptConvElements,
    vocabulary: model.vocabularySize,
    measured: unfusedHeads === 0 && model.layers.every(({ mixers }) => mixers.every(({ kind }) => kind !== "state")),
  };
}

export interface ComputeBytes {
  readonly bytes: number;
  readonly low: number;
  readonly high: number;
  /** Parts of `bytes` that are said on their own. */
  readonly scores: number;
  readonly convInputs: number;
}

/** A step of the prompt's tokens: what is left of the context, but for the last token, up to the step; for each prompt read at once. */
export function stepTokens(context: number, sequences: number, step: number): number {
  return Math.min(step, Math.max(1, context - 1)) * Math.min(sequences, PROMPTS_AT_ONCE);
}

/**
 * @param layerCacheBytes  of the layer that grows most: its cache is copied into a longer one
 * @param quantizedCache   attention over packed keys is never fused
 */
export function computeBytes(
  traits: ComputeTraits,
  load: {
    readonly context: number;
    readonly sequences: number;
    readonly step: number;
    readonly elementBytes: number;
    readonly layerCacheBytes: number;
    readonly heads: number;
    readonly quantizedCache: boolean;
  },
  backend: Backend,
): ComputeBytes {
  const { context, sequences, step, elementBytes } = load;
  const tokens = stepTokens(context, sequences, step);
  const wide = elementBytes / 2;
  const fitted =
    1e9 * (MLX_FIT.base + (MLX_FIT.step * tokens) / DEFAULT_STEP) +
    wide * MLX_FIT.hidden * 2 * tokens * traits.embedding +
    MLX_FIT.growth * load.layerCacheBytes;
  const all =
    tokens * traits.elementsPerToken * elementBytes +
    load.layerCacheBytes +
    traits.vocabulary * elementBytes * sequences;
  const running = Math.min(fitted, all);
  const heads = load.quantizedCache ? Math.max(load.heads, traits.unfusedHeads) : traits.unfusedHeads;
  const scores = heads * tokens * context * elementBytes;
  const convInputs = traits.keptConvElements * tokens * elementBytes;
  const measured = traits.measured && !load.quantizedCache && sequences === 1 && tokens >= SHORTEST_MEASURED;
  const share = backend !== "metal" ? SHARE.other : measured ? SHARE.measured : SHARE.metal;
  return {
    bytes: Math.round(running + scores + convInputs),
    low: Math.round(running * share.low),
    high: Math.round(running * share.high + 3 * scores + 2 * convInputs),
    scores: Math.round(scores),
    convInputs: Math.round(convInputs),
  };
}
