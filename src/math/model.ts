/**
 * ModelSpec: an engine-neutral description of a model, as data. arch/ makes it from config.json or GGUF metadata,
 * parts/ prices it, runtime/ adds what one engine does with it. Plain readonly JSON values throughout: it travels to the
 * browser as it is.
 */

import type { FamilyId } from "./arch/families.ts";
import type { GgmlType } from "./ggml-types.ts";
import type { Checkpoint } from "./parts/formats/checkpoint.ts";

export const MIXER_KINDS = ["full", "sliding", "chunked", "latent", "state"] as const;
export type MixerKind = (typeof MIXER_KINDS)[number];

/** Softmax attention over keys and values that are cached per head (MHA, GQA, MQA by kvHeads). */
export interface AttentionMixer {
  readonly kind: "full" | "sliding" | "chunked";
  readonly heads: number;
  readonly kvHeads: number;
  /** Elements of one key head and of one value head; they may differ. */
  readonly headDimK: number;
  readonly headDimV: number;
  /** Tokens that a query may see (sliding) or the length of a chunk; null for full attention. */
  readonly window: number | null;
  /** Q, K and V come from one fused matrix. */
  readonly fusedQkv: boolean;
  /** The query is scaled or soft-capped by an operation of its own (gemma 2 and 3). */
  readonly scaledQuery: boolean;
  /** A gate of the query's width multiplies the attention's output (qwen3-next, qwen3.5). */
  readonly gated: boolean;
  /** Q and K are turned by their position (RoPE). Without: jamba, nemotron-h, learned positions. */
  readonly rotary: boolean;
  /** Keys and values are kept for later tokens. An encoder sees all of its text at once and keeps nothing. */
  readonly cached: boolean;
}

/** Latent attention (MLA): one compressed row per token is cached, kvLoraRank + ropeDim elements. */
export interface LatentMixer {
  readonly kind: "latent";
  readonly heads: number;
  readonly kvLoraRank: number;
  readonly ropeDim: number;
  readonly nopeDim: number;
  readonly valueDim: number;
  /** null: the query is not compressed. */
  readonly qLoraRank: number | null;
  /** No position is turned in, though a part of each head has its place (kimi linear). Absent: it is. */
  readonly unturned?: true;
}

export const STATE_ALGORITHMS = [
  "mamba1",
  "mamba2",
  "gated-delta",
  "kda", // kimi delta attention
  "rwkv6",
  "rwkv7",
  "lightning", // minimax 01: linear attention that forgets at a fixed rate
  "short-conv", // lfm2: a gated convolution and no other state
] as const;
export type StateAlgorithm = (typeof STATE_ALGORITHMS)[number];

/** A recurrent mixer: a state of fixed size per sequence, whatever the context. */
export interface StateMixer {
  readonly kind: "state";
  readonly algorithm: StateAlgorithm;
  /** Elements kept of the short convolution's past, (kernel - 1) x channels; rwkv: the token before, once or twice. */
  readonly convElements: number;
  /** Elements of the recurrent state. */
  readonly stateElements: number;
  /** Width of the mixer inside (mamba: d_inner; gated delta: value heads x value dim). */
  readonly innerSize: number;
  /** Elements per head or channel of the state (mamba: d_state; gated delta: key dim). */
  readonly stateSize: number;
  readonly heads: number;
  readonly groups: number;
  readonly convKernel: number;
  /** Mamba: the time step, B and C are normed first (falcon-mamba, jamba, plamo 2). */
  readonly stepNormed: boolean;
}

export type Mixer = AttentionMixer | LatentMixer | StateMixer;

export interface DenseFeedForward {
  readonly kind: "dense";
  readonly width: number;
  /** gate and up (SwiGLU, GeGLU) rather than one matrix up. */
  readonly gated: boolean;
  /** gate and up are one matrix in the file (phi-3, glm-4). */
  readonly fusedGateUp: boolean;
  /** It reads what the layer was given, through a norm of its own, and not what attention made of it (gpt-neox). */
  readonly besideAttention?: true;
}

export interface MoeFeedForward {
  readonly kind: "moe";
  readonly experts: number;
  readonly expertsUsed: number;
  /** Width of one routed expert. */
  readonly expertWidth: number;
  /** Width of all shared experts together; 0 = none. */
  readonly sharedWidth: number;
  /** A sigmoid gate multiplies the shared experts' output (qwen2-moe, qwen3-next). */
  readonly sharedGated: boolean;
}

export type FeedForward = DenseFeedForward | MoeFeedForward | { readonly kind: "none" };

/** A cache beside K and V: the keys of a sparse attention's indexer, one head of so many elements per cell. */
export interface SideCache {
  readonly name: string;
  readonly elementsPerCell: number;
  /** Heads of the indexer's queries. */
  readonly heads: number;
  /** Cells that it chooses for each query, or blocks of them. */
  readonly chosen: number;
  /** Cells in a block; 1: cells are chosen one by one. */
  readonly blockCells: number;
}

export const TENSOR_ROLES = [
  "embedding", // read by row on the way in
  "output", // the head
  "norm",
  "attention",
  "state", // a recurrent mixer's matrices
  "feed-forward",
  "router",
  "expert", // routed experts, all of a layer in one tensor
  "shared-expert",
  "other",
] as const;
export type TensorRole = (typeof TENSOR_ROLES)[number];

export interface TensorSpec {
  /** llama.cpp's name (`blk.0.attn_q.weight`), also for models read from config.json. */
  readonly name: string;
  /** ggml order: the row length first. */
  readonly shape: readonly number[];
  readonly role: TensorRole;
  /** null until a weights choice has typed the tensor (parts/presets.ts). */
  readonly type: GgmlType | null;
  /** Where a GGUF file has it; null when computed. */
  readonly at: { readonly shard: number; readonly offset: number } | null;
}

export interface LayerSpec {
  readonly index: number;
  /** In order of execution. Most layers have one; falcon-h1 has two side by side; a pure feed-forward layer has none. */
  readonly mixers: readonly Mixer[];
  readonly feedForward: FeedForward;
  /** Index of the layer whose K and V this one reads instead of its own; null = owns them. */
  readonly kvSharedWith: number | null;
  readonly sideCaches: readonly SideCache[];
  /** It has no attention, and llama.cpp makes a cache for it all the same: no keys, and values where all are as wide as the widest. */
  readonly emptyCache?: true;
  /** Features of an image are added to what the layer hands on (the first ones of qwen 3 VL). */
  readonly imageFeatures?: true;
  readonly tensors: readonly TensorSpec[];
}

export interface ModelSpec {
  readonly family: FamilyId;
  /** llama.cpp's general.architecture, e.g. "qwen3moe". */
  readonly architecture: string;
  /** config.json's model_type, a multimodal wrapper's own; null for a model read from a GGUF file. Engines have lists of those they know. */
  readonly modelType: string | null;
  /** Type in which the model's makers want recurrent states kept; left out where they do not say, and each engine has its own. */
  readonly stateType?: "F32";
  /** The layers that compute every token. */
  readonly layers: readonly LayerSpec[];
  /** Multi-token-prediction blocks after the last layer: in the file, unused unless asked for. */
  readonly mtpLayers: readonly LayerSpec[];
  /** Embedding, final norm, head, rope factors. */
  readonly outside: readonly TensorSpec[];
  readonly embeddingLength: number;
  readonly vocabularySize: number;
  readonly contextTrained: number | null;
  /** The head is the embedding again. */
  readonly tiedEmbeddings: boolean;
  /** "file": tensors come from the file's own table. "computed": from the hyperparameters, with this family's names. */
  readonly tensorSource: "file" | "computed";
  /** What the tensors' types stand for ("Q4_K_M", "as the file has it"), null while untyped. */
  readonly weights: WeightsLabel | null;
}

/** The label of weights that came with a file and were given no name yet (parts/presets-recognise.ts finds one). */
export const UNNAMED_WEIGHTS = "as the file has it";

export interface WeightsLabel {
  readonly name: string;
  /** exact: read from a file, or llama-quantize's rule without importance matrix at a known build. */
  readonly basis: "exact" | "modelled";
  /** What the repository's own safetensors hold, for engines that load them as they are. */
  readonly checkpoint?: Checkpoint;
}

export interface ParameterCount {
  readonly total: number;
  /** Used for one token: experts_used of experts, and one row of the embedding counts as none of it. */
  readonly active: number;
  readonly embedding: number;
}

/** Unknown is an answer: what is missing is named, nothing is guessed. */
export type SpecResult =
  | { readonly status: "ok"; readonly spec: ModelSpec; readonly warnings: readonly string[] }
  | {
      readonly status: "unknown";
      /** model_type or general.architecture as found, null when the source names none. */
      readonly architecture: string | null;
      readonly reason: string;
      readonly missing: readonly string[];
    };
