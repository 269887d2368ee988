/** vLLM's pool of cache blocks: what a load takes of it, and how large it becomes. */
import type { ModelSpec } from "../../model.ts";
import type { RankLoad, StageBytes } from "../torch/assemble.ts";
import { stageOfLayers } from "../torch/stages.ts";
import { type CacheLayout, groupBlocks, type Request } from "./groups.ts";
import type { VllmOptions } from "./options.ts";
import { activationBytes, type ProfileLoad, standingBytes } from "./profile.ts";
import type { VllmRules } from "./rules.ts";
import type { CacheSpec } from "./specs.ts";

export interface Pooled {
  readonly model: ModelSpec;
  readonly options: VllmOptions;
  readonly rules: VllmRules;
  readonly layout: CacheLayout;
  readonly blockTokens: number;
  readonly backend: ProfileLoad["backend"];
  /** What loading leaves behind on each rank, beside the weights. */
  readonly loadingBytes: number;
}

/** The block that nobody may write to, so that an empty place in a table has somewhere to point. */
const NULL_BLOCKS = 1;

/** Bytes of one block on each stage: its largest group's pages there. */
export function stageBlockBytes({ model, options, layout }: Pooled): number[] {
  const stage = stageOfLayers(model.layers.length, options.ranks.pipeline);
  return Array.from({ length: options.ranks.pipeline }, (_, s) => {
    let most = 0;
    for (const { specs } of layout.groups) {
      let bytes = 0;
      for (const spec of specs) if (stage[spec.layer] === s) bytes += pageOf(layout, spec);
      most = Math.max(most, bytes);
    }
    return most;
  });
}

/** One group's pages are as they are; pages of several are all the largest's. */
function pageOf({ groups, pageBytes }: CacheLayout, spec: CacheSpec): number {
  return groups.length === 1 ? spec.pageBytes : pageBytes;
}

/** Blocks of one sequence of `context` tokens, by group. */
export function blocksByGroup({ options, rules, layout }: Pooled, context: number): number[] {
  const { pipeline } = options.ranks;
  const steps = rules.overlapsSteps ? pipeline + 1 : pipeline;
  const attends = layout.groups.some(({ specs }) => specs.some(({ kind }) => kind !== "state"));
  const request: Request = {
    context,
    tokensUnderWay: steps * options.batch,
    statePages: ({ statePages }) => (rules.cachesStates && attends ? statePages : 1),
  };
  return layout.groups.map((group) => groupBlocks(group, request));
}

export function profileOf(pooled: Pooled, context: number, sequences: number): ProfileLoad {
  const { options, rules, blockTokens, backend } = pooled;
  return { context, sequences, batch: options.batch, ranks: options.ranks.tensor, blockTokens, backend, rules };
}

/** max_num_seqs: as asked, else vLLM's own, whatever the plan is for. */
export function rowsOf({ options }: Pooled, sequences: number, asked: boolean): number {
  return asked ? sequences : Math.max(options.defaultSequences, sequences);
}

/** What `sequences` of `context` tokens take on one rank of each stage, and what stands there without them. */
export function loadOf(pooled: Pooled, context: number, sequences: number, asked: boolean): RankLoad {
  const { model, options, layout } = pooled;
  const { pipeline } = options.ranks;
  const layers = model.layers.length;
  const stage = stageOfLayers(layers, pipeline);
  const kv = new Float64Array(layers);
  const state = new Float64Array(layers);
  const cells = new Float64Array(layers);
  const byGroup = blocksByGroup(pooled, context);
  const side = new Map<number, number[]>();
  const kvOf = new Float64Array(pipeline);
  const stateOf = new Float64Array(pipeline);
  let blocks = NULL_BLOCKS;
  for (const [g, group] of layout.groups.entries()) {
    const pages = sequences * (byGroup[g] ?? 0);
    blocks += pages;
    for (const spec of group.specs) {
      const bytes = pages * pageOf(layout, spec);
      const column = spec.kind === "state" ? state : kv;
      const sums = spec.kind === "state" ? stateOf : kvOf;
      column[spec.layer] = (column[spec.layer] ?? 0) + bytes;
      const at = stage[spec.layer] ?? 0;
      sums[at] = (sums[at] ?? 0) + bytes;
      if (spec.kind !== "state") cells[spec.layer] = pages * group.block;
      if (spec.sideCache !== null) side.set(spec.layer, [...(side.get(spec.layer) ?? []), bytes]);
    }
  }
  const profile = profileOf(pooled, context, rowsOf(pooled, sequences, asked));
  const standing = standingBytes(model, profile, pipeline);
  const fixed = pooled.loadingBytes + standing.counts + standing.workspace + standing.graphs + standing.libraries;
  const stages: StageBytes[] = stageBlockBytes(pooled).map((blockBytes, s) => {
    const cached = (kvOf[s] ?? 0) + (stateOf[s] ?? 0);
    // Places of a block that no layer of its group uses, and the null block.
    const unused = layout.groups.length === 0 ? 0 : blocks * blockBytes - cached;
    return {
      kv: kvOf[s] ?? 0,
      state: stateOf[s] ?? 0,
      compute: activationBytes(model, profile, s === pipeline - 1),
      output: 0,
      overhead: fixed + unused,
    };
  });
  return { stages, kv, state, cells, sideCaches: (layer) => side.get(layer) ?? [] };
}

/** The pool as vLLM makes it, on the rank that gets the fewest blocks. */
export interface Pool {
  readonly bytes: number;
  readonly blocks: number;
  readonly tokens: number;
  readonly concurrency: number;
}

/**
 * blocks = ⌊(memory × utilization − weights − activations − what stands) / block⌋; concurrency = blocks / blocks of one
 * sequence; tokens = concurrency × context. null: no memory is known, or nothing is cached.
 * @param budget memory x utilization by slot
 * @source vLLM v0.33.0 v1/worker/gpu_worker.py determine_available_memory, v1/core/kv_cache_utils.py get_kv_cache_capacity
 */
export function poolOf(
  pooled: Pooled,
  weights: Float64Array,
  budget: readonly (number | null)[],
  asked: boolean,
): Pool | null {
  const { model, options, layout } = pooled;
  const { tensor, pipeline } = options.ranks;
  const profile = profileOf(pooled, options.context, rowsOf(pooled, options.sequences, asked));
  const standing = standingBytes(model, profile, pipeline);
  const fixed = pooled.loadingBytes + standing.counts + standing.workspace + standing.graphs + standing.libraries;
  let blocks = Number.POSITIVE_INFINITY;
  let bytes = 0;
  for (const [s, blockBytes] of stageBlockBytes(pooled).entries()) {
    if (blockBytes === 0) continue;
    for (let rank = 0; rank < tensor; rank++) {
      const slot = s * tensor + rank;
      const memory = budget[slot] ?? null;
      if (memory === null) return null;
      const rest = memory - (weights[slot] ?? 0) - activationBytes(model, profile, s === pipeline - 1) - fixed;
      const here = Math.max(0, Math.floor(rest / blockBytes));
      if (here < blocks) {
        blocks = here;
        bytes = Math.max(0, Math.round(rest));
      }
    }
  }
  if (layout.groups.length === 0 || !Number.isFinite(blocks)) return null;
  return { bytes, ...capacity(pooled, blocks) };
}

/** What vLLM prints of so many blocks. */
export function capacity(pooled: Pooled, blocks: number): Omit<Pool, "bytes"> {
  const { options } = pooled;
  const each = blocksByGroup(pooled, options.context).reduce((sum, n) => sum + n, 0);
  const concurrency = each === 0 ? 0 : blocks / each;
  return { blocks, tokens: Math.floor(concurrency * options.context), concurrency };
}
