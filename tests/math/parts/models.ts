import type {
  AttentionMixer,
  FeedForward,
  LayerSpec,
  ModelSpec,
  TensorRole,
  TensorSpec,
} from "../../../src/math/model.ts";

/** A dense or mixture-of-experts transformer by its hyperparameters, untyped, with llama.cpp's tensor names. */
export interface Geometry {
  readonly architecture?: string;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  readonly tied?: boolean;
  readonly experts?: number;
  readonly expertsUsed?: number;
  /** Elements of rope_freqs.weight; none by default. */
  readonly ropeFreqs?: number;
  /** Norms of Q and K per head (qwen3). */
  readonly headNorms?: boolean;
  /** Biases of Q, K and V (qwen2). */
  readonly qkvBias?: boolean;
  /** Q, K and V in one matrix, gate and up in another (phi3). */
  readonly fused?: boolean;
  /** No norm before the feed-forward (command-r). */
  readonly oneNorm?: boolean;
}

function tensor(name: string, role: TensorRole, ...shape: number[]): TensorSpec {
  return { name, shape, role, type: null, at: null };
}

function layerOf(g: Geometry, index: number): LayerSpec {
  const at = (name: string, role: TensorRole, ...shape: number[]): TensorSpec =>
    tensor(`blk.${index}.${name}`, role, ...shape);
  const q = g.heads * g.headDim;
  const k = g.kvHeads * g.headDim;
  const experts = g.experts ?? 0;
  const tensors = [at("attn_norm.weight", "norm", g.width), at("attn_output.weight", "attention", q, g.width)];
  if (g.oneNorm !== true) tensors.push(at("ffn_norm.weight", "norm", g.width));
  if (g.fused === true) {
    tensors.push(at("attn_qkv.weight", "attention", g.width, q + 2 * k));
    tensors.push(at("ffn_up.weight", "feed-forward", g.width, 2 * g.feedForward));
  } else {
    tensors.push(at("attn_q.weight", "attention", g.width, q));
    tensors.push(at("attn_k.weight", "attention", g.width, k));
    tensors.push(at("attn_v.weight", "attention", g.width, k));
  }
  if (experts > 0) {
    tensors.push(at("ffn_gate_inp.weight", "router", g.width, experts));
    tensors.push(at("ffn_gate_exps.weight", "expert", g.width, g.feedForward, experts));
    tensors.push(at("ffn_up_exps.weight", "expert", g.width, g.feedForward, experts));
    tensors.push(at("ffn_down_exps.weight", "expert", g.feedForward, g.width, experts));
  } else {
    if (g.fused !== true) {
      tensors.push(at("ffn_gate.weight", "feed-forward", g.width, g.feedForward));
      tensors.push(at("ffn_up.weight", "feed-forward", g.width, g.feedForward));
    }
    tensors.push(at("ffn_down.weight", "feed-forward", g.feedForward, g.width));
  }
  if (g.headNorms === true) {
    tensors.push(at("attn_q_norm.weight", "norm", g.headDim), at("attn_k_norm.weight", "norm", g.headDim));
  }
  if (g.qkvBias === true) {
    tensors.push(at("attn_q.bias", "attention", q));
    tensors.push(at("attn_k.bias", "attention", k));
    tensors.push(at("attn_v.bias", "attention", k));
  }
  const mixer: AttentionMixer = {
    kind: "full",
    heads: g.heads,
    kvHeads: g.kvHeads,
    headDimK: g.headDim,
    headDimV: g.headDim,
    window: null,
    fusedQkv: g.fused === true,
    scaledQuery: false,
    gated: false,
    rotary: true,
    cached: true,
  };
  const feedForward: FeedForward =
    experts > 0
      ? {
          kind: "moe",
          experts,
          expertsUsed: g.expertsUsed ?? 1,
          expertWidth: g.feedForward,
          sharedWidth: 0,
          sharedGated: false,
        }
      : { kind: "dense", width: g.feedForward, gated: true, fusedGateUp: g.fused === true };
  return { index, mixers: [mixer], feedForward, kvSharedWith: null, sideCaches: [], tensors };
}

export function modelOf(g: Geometry): ModelSpec {
  const outside = [
    tensor("token_embd.weight", "embedding", g.width, g.vocabulary),
    tensor("output_norm.weight", "norm", g.width),
  ];
  if (g.tied !== true) outside.push(tensor("output.weight", "output", g.width, g.vocabulary));
  if (g.ropeFreqs !== undefined) outside.push(tensor("rope_freqs.weight", "other", g.ropeFreqs));
  return {
    family: "llama",
    architecture: g.architecture ?? "llama",
    modelType: null,
    layers: Array.from({ length: g.layers }, (_, i) => layerOf(g, i)),
    mtpLayers: [],
    outside,
    embeddingLength: g.width,
    vocabularySize: g.vocabulary,
    contextTrained: null,
    tiedEmbeddings: g.tied === true,
    tensorSource: "computed",
    weights: null,
  };
}

export const LLAMA_3_8B: Geometry = {
  layers: 32,
  width: 4096,
  heads: 32,
  kvHeads: 8,
  headDim: 128,
  feedForward: 14336,
  vocabulary: 128256,
};
