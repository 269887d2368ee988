/** What one layer computes in a step, at its fullest. */
import type { LayerSpec, ModelSpec } from "../../model.ts";
import { isAttention } from "./share.ts";

/**
 * Tensors of a layer in flight, as its forward names them: gate, up and their product; residual, its input, its output and
 * what the norms make. PyTorch frees a tensor with its last reader, so that how many stand at once depends on the kernels.
 * The numbers were chosen on one logged row of vLLM's, so that the range of a plan must cover the others.
 */
const WIDTHS = 3;
const HIDDENS = 5;

/**
 * tokens x (the widest of: 3 x feed-forward width, experts' rows, queries with keys and values, a mixer's inside, each
 * shared by the ranks; and 5 x embedding) x the bytes of an element, 2 if not said.
 */
export function layerActivations(
  model: ModelSpec,
  layer: LayerSpec,
  tokens: number,
  ranks: number,
  elementBytes = 2,
): number {
  let widest = 0;
  const { feedForward } = layer;
  if (feedForward.kind === "dense") widest = (WIDTHS * feedForward.width) / ranks;
  if (feedForward.kind === "moe") {
    const width = feedForward.expertWidth / ranks;
    const routed = feedForward.expertsUsed * (Math.max(2 * width, model.embeddingLength) + width);
    widest = routed + (WIDTHS * feedForward.sharedWidth) / ranks;
  }
  for (const mixer of layer.mixers) {
    if (mixer.kind === "state") widest = Math.max(widest, (4 * mixer.innerSize) / ranks);
    if (!isAttention(mixer)) continue;
    const heads = mixer.heads * mixer.headDimK + mixer.kvHeads * (mixer.headDimK + mixer.headDimV);
    widest = Math.max(widest, (2 * heads) / ranks);
  }
  return tokens * (widest + HIDDENS * model.embeddingLength) * elementBytes;
}
