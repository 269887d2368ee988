/** What one layer keeps of a sequence, as vLLM describes it: pages of so many tokens and so many bytes. */
import type { LayerSpec, ModelSpec, SideCache, StateMixer } from "../../model.ts";
import { isAttention, keptHeads } from "../torch/share.ts";
import { stateElementsOn } from "../torch/states.ts";
import type { VllmRules } from "./rules.ts";

/** Tokens of a page unless a kernel or a state wants more. @source vLLM v0.33.0 config/cache.py DEFAULT_BLOCK_SIZE */
export const BLOCK_TOKENS = 16;
/** Kernels of sparse attention read pages of so many tokens. @source v1/attention/backends/mla/{flashmla_sparse,indexer}.py */
const SPARSE_BLOCK_TOKENS = 64;
/** Latent attention beside recurrent layers. @source platforms/interface.py _align_hybrid_block_size */
const HYBRID_LATENT_BLOCK_TOKENS = 128;
/** Elements of a latent row or an indexer's key that share one 4-byte scale in 8 bits. */
const SCALED = 128;

export type SpecKind = "full" | "sliding" | "chunked" | "state";

export interface CacheSpec {
  readonly layer: number;
  readonly kind: SpecKind;
  /** Which of the layer's side caches this is; null: its keys and values, or its state. */
  readonly sideCache: number | null;
  /** Tokens of a page; 0 for a state, of which a page holds one. */
  readonly block: number;
  readonly pageBytes: number;
  /** Window or chunk, null for full attention and states. */
  readonly window: number | null;
  /** Pages of one sequence's state where prefixes are cached; 0 for what is no state. */
  readonly statePages: number;
  /** What makes two specs the same kind of cache to vLLM. */
  readonly key: string;
}

export interface CacheOptions {
  readonly ranks: number;
  readonly kvBytes: number;
  /** Rows of latent attention in 8 bits keep their rotated part in 16: the layout of sparse attention. */
  readonly fp8: boolean;
  /** Windowed layers as long as the others: --disable-hybrid-kv-cache-manager. */
  readonly fullLength: boolean;
  readonly rules: VllmRules;
}

/** Bytes of one token in one layer's pages. */
export function tokenBytes(layer: LayerSpec, options: CacheOptions): number {
  for (const mixer of layer.mixers) {
    if (mixer.kind === "latent") {
      const { kvLoraRank, ropeDim } = mixer;
      if (options.fp8 && isSparse(layer)) return kvLoraRank + (kvLoraRank / SCALED) * 4 + ropeDim * 2;
      return (kvLoraRank + ropeDim) * options.kvBytes;
    }
    if (isAttention(mixer) && mixer.cached)
      return keptHeads(mixer.kvHeads, options.ranks) * (mixer.headDimK + mixer.headDimV) * options.kvBytes;
  }
  return 0;
}

/** Sparse attention: an indexer chooses the rows that a query reads. */
export function isSparse(layer: LayerSpec): boolean {
  return layer.sideCaches.length > 0;
}

/** An indexer's key in 8 bits with a scale for each 128 elements. @source model_executor/models/deepseek_v2.py Indexer */
function sideBytes({ elementsPerCell }: SideCache): number {
  return elementsPerCell + Math.ceil(elementsPerCell / SCALED) * 4;
}

/** Bytes of one sequence's state: the convolution's past in the model's type, the recurrent state in its own. */
function stateBytes(model: ModelSpec, mixer: StateMixer, ranks: number): number {
  const wide = mixer.algorithm === "kda" || model.stateType === "F32";
  const { conv, state } = stateElementsOn(mixer, ranks);
  return conv * 2 + state * (wide ? 4 : 2);
}

const ownsCache = (layer: LayerSpec): boolean => layer.kvSharedWith === null;

/** Tokens of the attention layers' pages: the least that every kernel takes and that hold a whole state. */
export function blockTokens(model: ModelSpec, options: CacheOptions): number {
  const attending = model.layers.filter((layer) => ownsCache(layer) && tokenBytes(layer, options) > 0);
  const state = largestState(model, options.ranks);
  const sparse = attending.some(isSparse);
  const kernel = sparse ? SPARSE_BLOCK_TOKENS : BLOCK_TOKENS;
  const [first] = attending;
  if (state === 0 || first === undefined) return kernel;
  const latent = attending.some(({ mixers }) => mixers.some(({ kind }) => kind === "latent"));
  const step = latent && options.rules.padsPages ? Math.max(kernel, HYBRID_LATENT_BLOCK_TOKENS) : kernel;
  return Math.max(kernel, step * Math.ceil(state / (step * tokenBytes(first, options))));
}

function largestState(model: ModelSpec, ranks: number): number {
  let largest = 0;
  for (const { mixers } of model.layers)
    for (const mixer of mixers)
      if (mixer.kind === "state") largest = Math.max(largest, stateBytes(model, mixer, ranks));
  return largest;
}

/** Every cache of the model, layer by layer. */
export function cacheSpecs(model: ModelSpec, options: CacheOptions): readonly CacheSpec[] {
  const block = blockTokens(model, options);
  const attending = model.layers.find((layer) => ownsCache(layer) && tokenBytes(layer, options) > 0);
  const attentionPage = attending === undefined ? 0 : block * tokenBytes(attending, options);
  return model.layers.flatMap((layer, i) => {
    if (!ownsCache(layer)) return [];
    const specs: CacheSpec[] = [];
    for (const mixer of layer.mixers) {
      if (mixer.kind === "state") {
        // Filled up to the attention layers' page, so that one pool serves both.
        const pageBytes = Math.max(stateBytes(model, mixer, options.ranks), attentionPage);
        const shape = `${mixer.algorithm} ${mixer.convElements} ${mixer.stateElements}`;
        specs.push({ ...spec(i, "state", null, 0, pageBytes, null, shape), statePages: statePages(mixer) });
      } else if (mixer.kind === "latent") {
        const bytes = tokenBytes(layer, options);
        specs.push(spec(i, "full", null, block, block * bytes, null, `latent ${bytes}`));
      } else if (mixer.cached) {
        const bytes = tokenBytes(layer, options);
        const kind = options.fullLength || mixer.window === null ? "full" : mixer.kind;
        const window = kind === "full" ? null : mixer.window;
        const shape = `${mixer.kvHeads} ${mixer.headDimK} ${mixer.headDimV}`;
        specs.push(spec(i, kind, null, block, block * bytes, window, shape));
      }
    }
    for (const [k, side] of layer.sideCaches.entries()) {
      const bytes = sideBytes(side);
      specs.push(spec(i, "full", k, block, block * bytes, null, `side ${bytes}`));
    }
    return specs;
  });
}

function spec(
  layer: number,
  kind: SpecKind,
  sideCache: number | null,
  block: number,
  pageBytes: number,
  window: number | null,
  shape: string,
): CacheSpec {
  const key = `${kind} ${window} ${block} ${pageBytes} ${shape}`;
  return { layer, kind, sideCache, block, pageBytes, window, statePages: 0, key };
}

/**
 * The state at work and the one before it; mamba 2 keeps a third at the end of a cached prompt.
 * @source vLLM v0.33.0 v1/kv_cache_interface.py MambaSpec.max_memory_usage_bytes, layers/mamba/mamba_mixer2.py
 */
function statePages({ algorithm }: StateMixer): number {
  return algorithm === "mamba2" ? 3 : 2;
}
