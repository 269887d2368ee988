/** How llama.cpp builds a family's graph where neither the model's geometry nor its tensors tell. */
import type { FamilyId } from "../../../arch/families.ts";
import type { ExpertTraits } from "./feed-forward.ts";

/** Where the rows that ask for logits are picked out of all tokens: the rest is not computed from there on. */
export type OutputsAt =
  | "attention" // of the last layer, before the residual is added
  | "sum" // after it
  | "end" // after the last layer
  | "norm"; // after the output norm

export interface GraphTraits {
  readonly outputsAt: OutputsAt;
  /** Embeddings are scaled on their way in. */
  readonly embeddingScaled: boolean;
  /** Layer norm, which never works in place, rather than RMS norm. */
  readonly layerNorm: boolean;
  /** Attention and feed-forward both read the layer's norm, side by side. */
  readonly parallel: boolean;
  /** Side by side: attention's output is the first that the feed-forward's is added to, else the layer's input. */
  readonly attentionFirst: boolean;
  /** … and stands left of it: its memory is the one taken over (phi 2). */
  readonly attentionLeft: boolean;
  /** Numbers of a token's position: time, height, width and one to spare where images have places. */
  readonly positions: 1 | 4;
  /** The layer's norm goes into the graph before the mixer. */
  readonly normFirst: boolean;
  /** Attention's residual is added from the left: its memory is the one taken over. */
  readonly attentionResidualFirst: boolean;
  /** Gemma 3n and 4: values are normed too, layers may read another's cache, rope factors are for layers without a window. */
  readonly valuesNormed: boolean;
  /** A head that is the embedding again is made a second time: on another device alone, always, or never. */
  readonly tiedHead: "elsewhere" | "always" | "never";
  /** The heads of Q and K are normed after they are turned. */
  readonly normAfterRope: boolean;
  /** The feed-forward's residual is added from the left: its memory is the one taken over. */
  readonly residualFirst: boolean;
  /** The norm after the feed-forward is not tied to the layer's device. */
  readonly freePostNorm: boolean;
  /** Queries that are not turned are multiplied by a factor for each token (llama 4). */
  readonly queryScaled: boolean;
  /** Both residuals are what the blocks were given, after the norm (minimax 01). */
  readonly normedResidual: boolean;
  /** The output norm's result is scaled before the head (minicpm 3). */
  readonly headScaled: boolean;
  /** The embedding is added to its learned position, whose memory is the one taken over; else the other way round. */
  readonly positionsFirst: boolean;
  /** Matrices whose own scale (of NVFP4) llama.cpp leaves out. */
  readonly unscaled: readonly string[];
  readonly experts: ExpertTraits;
  /** Gated delta nets repeat their query and key heads. */
  readonly deltaRepeated: boolean;
}

const PLAIN: GraphTraits = {
  outputsAt: "attention",
  embeddingScaled: false,
  layerNorm: false,
  parallel: false,
  attentionFirst: false,
  attentionLeft: false,
  positions: 1,
  normFirst: false,
  normAfterRope: false,
  valuesNormed: false,
  tiedHead: "elsewhere",
  attentionResidualFirst: false,
  residualFirst: false,
  freePostNorm: false,
  queryScaled: false,
  normedResidual: false,
  headScaled: false,
  experts: { gating: "all", normalised: true, sharedGate: "sigmoid", routedBy: "block" },
  positionsFirst: false,
  unscaled: [],
  deltaRepeated: false,
};

const EXPERT_MATRICES = ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"];
const SHARED_MATRICES = ["ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"];

/** @source src/models/*.cpp of the families at llama.cpp v0.5.0 */
export const GRAPH_TRAITS: Readonly<Record<FamilyId, GraphTraits>> = {
  llama: PLAIN,
  qwen2: PLAIN,
  "qwen2-moe": { ...PLAIN, experts: { ...PLAIN.experts, gating: "all", normalised: false, sharedGate: "silu" } },
  qwen3: PLAIN,
  "qwen3-moe": PLAIN,
  "qwen3-next": { ...PLAIN, outputsAt: "norm", normFirst: true, deltaRepeated: true },
  "qwen3.5": { ...PLAIN, outputsAt: "norm", normFirst: true, positions: 4 },
  gemma2: { ...PLAIN, embeddingScaled: true, freePostNorm: true },
  gemma3: { ...PLAIN, embeddingScaled: true, freePostNorm: true },
  phi3: { ...PLAIN, residualFirst: true },
  deepseek: PLAIN,
  "gpt-oss": {
    ...PLAIN,
    outputsAt: "end",
    experts: { ...PLAIN.experts, gating: "chosen", normalised: false, sharedGate: "sigmoid" },
  },
  glm4: PLAIN,
  "command-r": { ...PLAIN, layerNorm: true, parallel: true },
  "falcon-h1": { ...PLAIN, outputsAt: "sum" },
  mamba2: PLAIN,
  mamba: PLAIN,
  "kimi-linear": { ...PLAIN, normFirst: true, unscaled: ["ssm_beta", ...EXPERT_MATRICES, ...SHARED_MATRICES] },
  rwkv6: { ...PLAIN, layerNorm: true },
  "rwkv6-qwen2": PLAIN,
  rwkv7: { ...PLAIN, layerNorm: true },
  arwkv7: PLAIN,
  bert: {
    ...PLAIN,
    layerNorm: true,
    positionsFirst: true,
    unscaled: [...EXPERT_MATRICES, "ffn_gate", "ffn_up", "ffn_down"],
    experts: { ...PLAIN.experts, normalised: false },
  },
  lfm2: { ...PLAIN, attentionResidualFirst: true, residualFirst: true },
  plamo2: { ...PLAIN, unscaled: ["attn_qkv", "ssm_in", "ssm_out"] },
  "granite-hybrid": { ...PLAIN, embeddingScaled: true, unscaled: [...EXPERT_MATRICES, ...SHARED_MATRICES] },
  "nemotron-h": { ...PLAIN, outputsAt: "norm" },
  jamba: {
    ...PLAIN,
    unscaled: EXPERT_MATRICES,
    attentionResidualFirst: true,
    residualFirst: true,
    experts: { ...PLAIN.experts, gating: "all", normalised: false, sharedGate: "sigmoid" },
  },
  "deepseek-moe": { ...PLAIN, experts: { ...PLAIN.experts, normalised: false } },
  olmoe: { ...PLAIN, experts: { ...PLAIN.experts, normalised: false } },
  phimoe: { ...PLAIN, residualFirst: true },
  dbrx: { ...PLAIN, layerNorm: true },
  dots1: PLAIN,
  "glm4-moe": PLAIN,
  "minimax-m2": PLAIN,
  "hunyuan-moe": { ...PLAIN, normAfterRope: true },
  "bailing-moe": PLAIN,
  "bailing-moe2": PLAIN,
  "ernie4.5-moe": PLAIN,
  "granite-moe": { ...PLAIN, embeddingScaled: true },
  gemma: { ...PLAIN, embeddingScaled: true },
  deci: PLAIN,
  gemma4: {
    ...PLAIN,
    outputsAt: "norm",
    embeddingScaled: true,
    freePostNorm: true,
    valuesNormed: true,
    tiedHead: "always",
    experts: { ...PLAIN.experts, routedBy: "layer" },
  },
  phi2: { ...PLAIN, layerNorm: true, parallel: true, attentionFirst: true, attentionLeft: true },
  olmo: { ...PLAIN, layerNorm: true },
  olmo2: { ...PLAIN, freePostNorm: true },
  granite: { ...PLAIN, embeddingScaled: true },
  cohere2: { ...PLAIN, layerNorm: true, parallel: true },
  exaone: PLAIN,
  exaone4: { ...PLAIN, freePostNorm: true },
  smollm3: PLAIN,
  internlm2: PLAIN,
  minicpm: { ...PLAIN, embeddingScaled: true },
  baichuan: PLAIN,
  chatglm: PLAIN,
  starcoder: { ...PLAIN, layerNorm: true },
  starcoder2: { ...PLAIN, layerNorm: true },
  falcon: { ...PLAIN, layerNorm: true, parallel: true, attentionFirst: true },
  mpt: { ...PLAIN, layerNorm: true },
  gpt2: { ...PLAIN, layerNorm: true },
  "gpt-neox": { ...PLAIN, layerNorm: true },
  bloom: { ...PLAIN, layerNorm: true },
  codeshell: { ...PLAIN, layerNorm: true },
  stablelm: { ...PLAIN, layerNorm: true },
  "ernie4.5": PLAIN,
  nemotron: { ...PLAIN, layerNorm: true },
  qwen: PLAIN,
  "qwen2-vl": { ...PLAIN, positions: 4 },
  "qwen3-vl": { ...PLAIN, positions: 4 },
  orion: { ...PLAIN, layerNorm: true },
  xverse: PLAIN,
  "seed-oss": PLAIN,
  arcee: PLAIN,
  apertus: PLAIN,
  "hunyuan-dense": { ...PLAIN, normAfterRope: true },
  plamo: { ...PLAIN, parallel: true, attentionFirst: true },
  bitnet: { ...PLAIN, tiedHead: "never" },
  refact: PLAIN,
  llama4: { ...PLAIN, queryScaled: true, experts: { ...PLAIN.experts, normalised: false, gating: "late" } },
  mimo2: PLAIN,
  afmoe: { ...PLAIN, embeddingScaled: true },
  smallthinker: { ...PLAIN, experts: { ...PLAIN.experts, routedBy: "layer" } },
  minicpm3: { ...PLAIN, embeddingScaled: true, headScaled: true },
  "minimax-m3": PLAIN,
  "exaone-moe": PLAIN,
  "step3.5": { ...PLAIN, outputsAt: "end" },
  "minimax-01": { ...PLAIN, normedResidual: true },
  "qwen3-vl-moe": { ...PLAIN, positions: 4 },
  "deepseek-ocr": { ...PLAIN, experts: { ...PLAIN.experts, normalised: false } },
};
