/** What generate() holds at its fullest: the whole prompt in every layer's cache, and one layer's work on it. */
import type { Backend } from "../../machine.ts";
import type { LayerSpec, Mixer, ModelSpec } from "../../model.ts";
import { GIB } from "../../units.ts";
import { layerActivations } from "../torch/activations.ts";
import type { RankLoad, StageBytes } from "../torch/assemble.ts";
import { isEncoder } from "../torch/encoder.ts";
import { isAttention } from "../torch/share.ts";
import { stageOfLayers } from "../torch/stages.ts";
import type { TransformersOptions } from "./options.ts";

/** Bytes that a token, and a sequence, take in one layer. */
export interface LayerCost {
  readonly token: number;
  readonly side: readonly number[];
  readonly sequence: number;
  readonly window: number | null;
}

/**
 * Keys and values of each head in the model's own type; latent attention keeps its compressed row. A convolution keeps as many tokens as its
 * kernel is long, one more than it needs; states are 32 bits.
 * @source transformers v5.24.0 cache_utils.py, models/deepseek_v3/modeling_deepseek_v3.py; run itself, tests/fixtures/transformers
 */
export function layerCosts(model: ModelSpec, elementBytes: number): readonly LayerCost[] {
  return model.layers.map((layer) => {
    let [token, sequence] = [0, 0];
    let window: number | null = null;
    for (const mixer of layer.mixers) {
      if (mixer.kind === "state") {
        sequence +=
          (mixer.convElements / Math.max(1, mixer.convKernel - 1)) * mixer.convKernel * elementBytes +
          mixer.stateElements * 4;
      } else if (layer.kvSharedWith === null) {
        token += tokenElements(mixer) * elementBytes;
        if (isAttention(mixer)) window = mixer.window;
      }
    }
    return {
      token,
      side: layer.sideCaches.map(({ elementsPerCell }) => elementsPerCell * elementBytes),
      sequence,
      window,
    };
  });
}

function tokenElements(mixer: Mixer): number {
  if (mixer.kind === "latent") return mixer.kvLoraRank + mixer.ropeDim;
  if (!isAttention(mixer) || !mixer.cached) return 0;
  return mixer.kvHeads * (mixer.headDimK + mixer.headDimV);
}

/**
 * Tokens whose keys a layer's storage holds at the fullest. Of a window only the last tokens are looked at, but as a part
 * of the tensor that the prompt's step made: all of them stay until the next token is computed.
 */
export function heldTokens(
  window: number | null,
  { context, chunk }: Pick<TransformersOptions, "context" | "chunk">,
): number {
  if (window === null || chunk === null) return context;
  return Math.min(context, window - 1 + chunk);
}

export function loadOf(
  model: ModelSpec,
  costs: readonly LayerCost[],
  options: TransformersOptions,
  backend: Backend,
): RankLoad {
  const { sequences } = options;
  const stage = stageOfLayers(costs.length, options.stages);
  const cells = Float64Array.from(costs, ({ token, window }) =>
    token > 0 ? sequences * heldTokens(window, options) : 0,
  );
  const sideTokens = sequences * options.context;
  const kv = Float64Array.from(
    costs,
    ({ token, side }, i) => (cells[i] ?? 0) * token + side.reduce((sum, bytes) => sum + bytes * sideTokens, 0),
  );
  const state = Float64Array.from(costs, ({ sequence }) => sequence * sequences);
  const compute = computeBytes(model, costs, options, backend);
  const overhead = backend === "cpu" ? LIBRARIES_CPU : LIBRARIES_GPU;
  const stages: StageBytes[] = Array.from({ length: options.stages }, (_, s) => {
    let [kvHere, stateHere] = [0, 0];
    for (let i = 0; i < costs.length; i++) {
      if (stage[i] !== s) continue;
      kvHere += kv[i] ?? 0;
      stateHere += state[i] ?? 0;
    }
    const last = s === options.stages - 1;
    return { kv: kvHere, state: stateHere, compute, output: last ? outputBytes(model, options) : 0, overhead };
  });
  return {
    stages,
    kv,
    state,
    cells,
    sideCaches: (layer) => (costs[layer]?.side ?? []).map((bytes) => bytes * sideTokens),
  };
}

/** CUDA's context and its libraries' workspaces; PyTorch itself in a process without a GPU. Not measured here. */
const LIBRARIES_GPU = GIB / 2;
const LIBRARIES_CPU = (3 / 8) * GIB;

/** Logits of the last token, in the model's type and then copied in 32 bits. */
export function outputBytes(
  model: ModelSpec,
  { sequences, elementBytes }: Pick<TransformersOptions, "sequences" | "elementBytes">,
): number {
  // What an encoder gives is its last layer's hidden states.
  return isEncoder(model) ? 0 : sequences * model.vocabularySize * (elementBytes + 4);
}

/** The fullest layer of a step over the prompt. */
export function computeBytes(
  model: ModelSpec,
  costs: readonly LayerCost[],
  options: TransformersOptions,
  backend: Backend,
): number {
  const tokens = options.sequences * Math.min(options.chunk ?? options.context, options.context);
  let most = 0;
  for (const [i, layer] of model.layers.entries()) {
    const copy = (costs[i]?.token ?? 0) * options.sequences * options.context;
    most = Math.max(
      most,
      layerActivations(model, layer, tokens, 1, options.elementBytes) + copy + attentionBytes(layer, options, backend),
    );
  }
  return Math.round(most);
}

/**
 * A score in 16 bits, in 32 for the softmax and in 16 again: 8 B. In 32 bits there is nothing to turn back: 4 + 4 B.
 */
const EAGER_SCORE = 8;
/** Metal's kernels for SDPA write the scores down, before the softmax and after it. */
const METAL_SCORES = 2;

function attentionBytes(layer: LayerSpec, options: TransformersOptions, backend: Backend): number {
  const { sequences, context, attention, elementBytes } = options;
  const queries = Math.min(options.chunk ?? context, context);
  let bytes = 0;
  for (const mixer of layer.mixers) {
    if (mixer.kind === "state") continue;
    const written = attention === "sdpa" && backend === "metal" ? METAL_SCORES * elementBytes : 0;
    const score = attention === "eager" ? EAGER_SCORE : written;
    let here = score * mixer.heads * queries * context;
    if (mixer.kind === "latent") {
      // Every step decompresses the whole cache of its layer.
      here += mixer.heads * (2 * mixer.nopeDim + mixer.ropeDim + mixer.valueDim) * context * elementBytes;
    } else if (attention !== "flash_attention_2" && (attention === "eager" || masked(mixer.window, context))) {
      // Keys and values are copied for every query head, and the mask is written down.
      here += mixer.heads * (mixer.headDimK + mixer.headDimV) * context * elementBytes + queries * context;
    }
    bytes = Math.max(bytes, here * sequences);
  }
  return bytes;
}

/** A window shorter than the text needs a mask, and with one SDPA takes no grouped heads. @source integrations/sdpa_attention.py use_gqa_in_sdpa */
function masked(window: number | null, context: number): boolean {
  return window !== null && window < context;
}
