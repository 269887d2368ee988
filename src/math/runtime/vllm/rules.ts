/** What differs between vLLM's versions in how it takes memory. */

export interface VllmRules {
  /** Default of --gpu-memory-utilization. */
  readonly utilization: number;
  /** A step is scheduled before the last one is settled: windowed layers keep the tokens of both. */
  readonly overlapsSteps: boolean;
  /** The memory of CUDA graphs is estimated and kept out of the pool before it is sized. */
  readonly graphsInBudget: boolean;
  /** Model runner V2: counts of sampled tokens stand on the device for every sequence and every word. */
  readonly countsTokens: boolean;
  /** The sampler of FlashInfer, which sorts nothing, is taken where it runs. */
  readonly fusedSampler: boolean;
  /** Prefix caching is on for models with recurrent layers: their states are kept more than once per sequence. */
  readonly cachesStates: boolean;
  /** Where the largest page is no multiple of a layer's own, the layer's page is filled up; before, vLLM refused. */
  readonly padsPages: boolean;
}

/**
 * @source vLLM v0.33.0 (the wheel): config/cache.py, config/vllm.py max_in_flight_tokens, v1/worker/gpu_worker.py,
 *   v1/worker/gpu/sample/{penalties,sampler}.py, v1/core/kv_cache_planning.py, engine/arg_utils.py
 */
const V0_33: VllmRules = {
  utilization: 0.92,
  overlapsSteps: true,
  graphsInBudget: true,
  countsTokens: true,
  fusedSampler: true,
  cachesStates: true,
  padsPages: true,
};

/** @source vLLM v0.12.0 the same files, and what it printed (tests/math/runtime/vllm/rows.jsonl) */
const V0_12: VllmRules = {
  utilization: 0.9,
  overlapsSteps: false,
  graphsInBudget: false,
  countsTokens: false,
  fusedSampler: false,
  cachesStates: false,
  padsPages: false,
};

/** Newest first. */
const RULES: ReadonlyMap<string, VllmRules> = new Map([
  ["0.33.0", V0_33],
  ["0.12.0", V0_12],
]);

export const VLLM_VERSIONS: readonly string[] = [...RULES.keys()];

/** @throws {RangeError} for a version that is not listed */
export function vllmRules(version: string | null): VllmRules {
  const rules = version === null ? V0_33 : RULES.get(version);
  if (rules === undefined) throw new RangeError(`Cannot plan for vLLM ${version}: its rules are not known`);
  return rules;
}
