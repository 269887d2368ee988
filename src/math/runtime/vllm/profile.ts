/** What vLLM measures of a step before it makes its pool: the fullest moment of a dummy batch, and what stays beside it. */
import type { Backend } from "../../machine.ts";
import type { LayerSpec, ModelSpec } from "../../model.ts";
import { GIB, MIB } from "../../units.ts";
import { layerActivations } from "../torch/activations.ts";
import type { VllmRules } from "./rules.ts";

export interface ProfileLoad {
  readonly context: number;
  /** max_num_seqs. */
  readonly sequences: number;
  /** max_num_batched_tokens. */
  readonly batch: number;
  /** Tensor-parallel ranks. */
  readonly ranks: number;
  readonly blockTokens: number;
  readonly backend: Backend;
  readonly rules: VllmRules;
}

const BF16 = 2;
/**
 * Bytes of one word's logit in the sampler: 2 as computed, 4 as fp32, 4 as a probability with FlashInfer's sampler; a
 * sort in PyTorch keeps 38 (values, sorted values, 8-byte indices, masks and sums).
 * @source vLLM v0.33.0 v1/worker/gpu/sample/sampler.py, v1/sample/ops/topk_topp_sampler.py. The 38 are fitted.
 */
const FUSED_SAMPLER = 10;
const SORTING_SAMPLER = 38;
/** Hidden states that live beside the logits: rows of the embedding's width per token of the batch, and what is left. Fitted. */
const SAMPLER_HIDDEN = 1.28;
const SAMPLER_BASE = 0.034 * GIB;
/** Rows of the workspace in which latent attention decompresses a long prompt's keys. */
const LATENT_WORKSPACE = 65_536;

/** Bytes of the fullest moment on a rank of the last stage; the others sample nothing. */
export function activationBytes(model: ModelSpec, load: ProfileLoad, last: boolean): number {
  let forward = 0;
  for (const layer of model.layers) {
    const computed = layerActivations(model, layer, load.batch, load.ranks);
    forward = Math.max(forward, computed, workspaceBytes(layer, load));
  }
  return Math.round(last ? Math.max(forward, samplerBytes(model, load)) : forward);
}

/** rows x words x (10 or 38 B) + hidden states; the logits are gathered, so ranks do not share them. */
export function samplerBytes({ vocabularySize, embeddingLength }: ModelSpec, load: ProfileLoad): number {
  const each = load.rules.fusedSampler && load.backend === "cuda" ? FUSED_SAMPLER : samplerWithout(load.rules);
  const rows = Math.min(load.sequences, load.batch);
  return rows * vocabularySize * each + SAMPLER_HIDDEN * load.batch * embeddingLength * BF16 + SAMPLER_BASE;
}

/** Model runner V2 masks in place with a Triton kernel where FlashInfer's sampler does not run. */
function samplerWithout(rules: VllmRules): number {
  return rules.countsTokens ? FUSED_SAMPLER : SORTING_SAMPLER;
}

/** Latent attention decompresses a long prompt's earlier keys and values in a workspace. */
function workspaceBytes(layer: LayerSpec, load: ProfileLoad): number {
  let bytes = 0;
  for (const mixer of layer.mixers) {
    if (mixer.kind !== "latent") continue;
    bytes = (latentRows(load) * mixer.heads * (mixer.nopeDim + mixer.valueDim) * BF16) / load.ranks;
  }
  return bytes;
}

/** @source vLLM v0.33.0 model_executor/layers/attention/mla_attention.py determine_chunked_prefill_workspace_size */
function latentRows({ context, sequences, blockTokens }: ProfileLoad): number {
  return Math.min(Math.max(8 * context, 4 * sequences * blockTokens), LATENT_WORKSPACE);
}

/** What stands on a rank from the start on, whatever is computed. */
export interface Standing {
  /** Counts of sampled tokens and marks of prompted ones, for penalties. */
  readonly counts: number;
  /** Latent rows of a long prompt's earlier parts. */
  readonly workspace: number;
  readonly graphs: number;
  /** Outside of PyTorch: libraries' workspaces, and NCCL's between ranks. */
  readonly libraries: number;
}

/** Measured: 0.06 to 0.14 GiB alone, 0.54 GiB with two ranks. */
const LIBRARIES_ALONE = 0.13 * GIB;
const LIBRARIES_SHARED = 0.54 * GIB;
/** Median of what vLLM reported after capturing; from less than nothing to 2.7 GiB. */
const GRAPHS = 0.48 * GIB;

export function standingBytes(model: ModelSpec, load: ProfileLoad, pipeline: number): Standing {
  const { rules, sequences } = load;
  const latent = model.layers.flatMap(({ mixers }) => mixers).find((mixer) => mixer.kind === "latent");
  return {
    counts: rules.countsTokens ? sequences * (model.vocabularySize * 4 + Math.ceil(model.vocabularySize / 32) * 4) : 0,
    workspace: latent?.kind === "latent" ? latentRows(load) * (latent.kvLoraRank + latent.ropeDim) * BF16 : 0,
    graphs: rules.graphsInBudget ? Math.round(GRAPHS / MIB) * MIB : 0,
    libraries: Math.round((load.ranks * pipeline > 1 ? LIBRARIES_SHARED : LIBRARIES_ALONE) / MIB) * MIB,
  };
}
