/** SGLang's pools: tokens of full layers, of windowed layers, and slots of states, each by its own arithmetic. */
import type { LayerSpec, ModelSpec, StateMixer } from "../../model.ts";
import { MIB } from "../../units.ts";
import { layerActivations } from "../torch/activations.ts";
import type { RankLoad, StageBytes } from "../torch/assemble.ts";
import { isAttention, keptHeads } from "../torch/share.ts";
import { stageOfLayers } from "../torch/stages.ts";
import { stateElementsOn } from "../torch/states.ts";
import type { SglangOptions } from "./options.ts";
import { graphMib, hasWindowPool, STATE_RATIO, STATE_SLOTS, WINDOW_RATIO } from "./rules.ts";

/** A token, or a state, in one layer on one rank. */
export interface LayerCell {
  readonly full: number;
  /** Bytes of a token in the windowed layers' own pool. */
  readonly windowed: number;
  readonly window: number;
  readonly side: readonly number[];
  readonly state: number;
}

const SCALED = 128;
/** A page of one token. */
const PAGE = 1;
/** Slots that nobody may use: one in each pool. */
const PADDING = 1;

/** @source SGLang v0.5.23 srt/model_executor/pool_configurator.py _compute_cell_size, HybridSWAPoolConfigurator; srt/configs/mamba_utils.py */
export function layerCells(model: ModelSpec, { kvType, ranks }: SglangOptions): readonly LayerCell[] {
  const bytes = kvType === "auto" ? 2 : 1;
  const pools = hasWindowPool(model.modelType);
  return model.layers.map((layer) => {
    let [full, windowed, window, state] = [0, 0, 0, 0];
    for (const mixer of layer.mixers) {
      if (mixer.kind === "state") state += stateBytes(mixer, ranks.tensor);
      if (layer.kvSharedWith !== null) continue;
      if (mixer.kind === "latent") full += latentBytes(layer, mixer.kvLoraRank, mixer.ropeDim, bytes);
      if (!isAttention(mixer) || !mixer.cached) continue;
      const token = keptHeads(mixer.kvHeads, ranks.tensor) * (mixer.headDimK + mixer.headDimV) * bytes;
      if (pools && mixer.window !== null) {
        windowed += token;
        window = mixer.window;
      } else full += token;
    }
    const side = layer.sideCaches.map(
      ({ elementsPerCell }) => elementsPerCell + Math.ceil(elementsPerCell / SCALED) * 4,
    );
    return { full, windowed, window, side, state };
  });
}

/** The convolution's past in 16 bits, the state in 32. @source SGLang v0.5.23 srt/configs/mamba_utils.py mamba2_state_dtype */
function stateBytes(mixer: StateMixer, ranks: number): number {
  const { conv, state } = stateElementsOn(mixer, ranks);
  return conv * 2 + state * 4;
}

/** Sparse attention's rows in 8 bits: 512 elements with a 4-byte scale for each 128, the rotated ones in 16 bits. */
function latentBytes(layer: LayerSpec, rank: number, rope: number, bytes: number): number {
  if (bytes === 1 && layer.sideCaches.length > 0) return rank + (rank / SCALED) * 4 + rope * 2;
  return (rank + rope) * bytes;
}

export interface TokenPools {
  /** Tokens of layers that keep everything. */
  readonly full: number;
  readonly windowed: number;
  /** Slots of states, the padding counted. */
  readonly states: number;
}

/**
 * Pools that hold `sequences` of `context` tokens. Windowed layers have 0.8 tokens for each of the others, and must hold
 * the windows of all sequences and a step; a running sequence has three slots of state.
 */
export function poolsFor(
  cells: readonly LayerCell[],
  options: SglangOptions,
  context: number,
  sequences: number,
): TokenPools {
  const window = cells.reduce((most, cell) => Math.max(most, cell.window), 0);
  const states = cells.some(({ state }) => state > 0) ? sequences * STATE_SLOTS + PADDING : 0;
  let full = sequences * context;
  let windowed = 0;
  if (window > 0) {
    const least = sequences * Math.min(context, window + PAGE) + Math.min(options.chunk, context);
    full = Math.max(full, Math.ceil(least / WINDOW_RATIO));
    windowed = Math.floor(full * WINDOW_RATIO) + PADDING;
  }
  return { full: full + PADDING, windowed, states };
}

export interface SglangLoad {
  readonly model: ModelSpec;
  readonly options: SglangOptions;
  readonly cells: readonly LayerCell[];
}

export function loadOf({ model, options, cells }: SglangLoad, context: number, sequences: number): RankLoad {
  const pools = poolsFor(cells, options, context, sequences);
  const stage = stageOfLayers(cells.length, options.ranks.pipeline);
  const kv = new Float64Array(cells.length);
  const state = new Float64Array(cells.length);
  const tokens = new Float64Array(cells.length);
  const sums = Array.from({ length: options.ranks.pipeline }, () => ({ kv: 0, state: 0 }));
  for (const [i, cell] of cells.entries()) {
    const side = cell.side.reduce((sum, bytes) => sum + bytes, 0);
    kv[i] = pools.full * (cell.full + side) + pools.windowed * cell.windowed;
    state[i] = pools.states * cell.state;
    tokens[i] = cell.windowed > 0 ? pools.windowed : cell.full > 0 ? pools.full : 0;
    const sum = sums[stage[i] ?? 0];
    if (sum === undefined) continue;
    sum.kv += kv[i] ?? 0;
    sum.state += state[i] ?? 0;
  }
  const compute = activationBytes(model, options);
  const graphs = graphBytes(model, options);
  const stages: StageBytes[] = sums.map((sum) => ({
    kv: sum.kv,
    state: sum.state,
    compute,
    output: 0,
    // The pool is cut at a fixed ratio: what the fuller kind leaves to the other is not for use.
    overhead: graphs + unbalanced(sum.kv, sum.state),
  }));
  return {
    stages,
    kv,
    state,
    cells: tokens,
    sideCaches: (layer) => (cells[layer]?.side ?? []).map((bytes) => bytes * pools.full),
  };
}

/** Bytes of the pool that stay empty where states take 0.9 of what keys and values take, whatever is needed. */
function unbalanced(kv: number, state: number): number {
  if (kv === 0 || state === 0) return 0;
  const whole = Math.max(kv * (1 + STATE_RATIO), (state * (1 + STATE_RATIO)) / STATE_RATIO);
  return Math.max(0, Math.ceil(whole) - kv - state);
}

/** CUDA graphs, as SGLang reckons with them. */
export function graphBytes(model: ModelSpec, options: SglangOptions): number {
  return graphMib({ ...options, latent: isLatent(model) }) * MIB;
}

export function isLatent(model: ModelSpec): boolean {
  return model.layers.some(({ mixers }) => mixers.some(({ kind }) => kind === "latent"));
}

/** A prefill step: the widest layer's activations. */
export function activationBytes(model: ModelSpec, { chunk, ranks }: SglangOptions): number {
  let forward = 0;
  for (const layer of model.layers) forward = Math.max(forward, layerActivations(model, layer, chunk, ranks.tensor));
  return Math.round(forward);
}
