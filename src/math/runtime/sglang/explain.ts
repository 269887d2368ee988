import { formatBytes, formatInteger } from "../../format.ts";
import type { EnginePlan } from "../runtime.ts";
import { poolsFor, type SglangLoad } from "./pool.ts";
import { STATE_SLOTS, WINDOW_RATIO } from "./rules.ts";

const sum = (bytes: Iterable<number>): number => {
  let all = 0;
  for (const one of bytes) all += one;
  return all;
};

/** One line per term: what it is, the formula with this plan's numbers, and what it comes to. */
export function explainSglang(
  { model, options, cells }: SglangLoad,
  plan: EnginePlan,
  tokens: number | null,
): readonly string[] {
  const { context, sequences, chunk, fraction } = options;
  const pools = poolsFor(cells, options, context, sequences);
  const lines = [
    `Weights: merged matrices of ${model.layers.length} layers, each as PyTorch allocates it, with the rotary tables = ${formatBytes(sum(plan.parts.weights_bytes))} (modelled)`,
    `KV cache: ${formatInteger(sequences)} × ${formatInteger(context)} tokens + 1 in ${cells.filter(({ full }) => full > 0).length} layers${pools.windowed > 0 ? `, ${WINDOW_RATIO} of that or the windows (${formatInteger(pools.windowed)} tokens) in ${cells.filter(({ windowed }) => windowed > 0).length} windowed ones` : ""} = ${formatBytes(sum(plan.parts.kv_cache_bytes))} (SGLang's own arithmetic)`,
  ];
  if (pools.states > 0)
    lines.push(
      `States: ${STATE_SLOTS} for each of ${formatInteger(sequences)} sequences and one more, in 32 bits = ${formatBytes(sum(plan.parts.state_bytes))} (SGLang's own arithmetic)`,
    );
  lines.push(
    `Activations: a step of ${formatInteger(chunk)} tokens on each rank = ${formatBytes(Math.max(...plan.parts.compute_bytes))} (modelled)`,
    `Graphs and unused parts of the pools, as SGLang reckons = ${formatBytes(sum(plan.parts.overhead_bytes))} (modelled)`,
    `Share for weights and pools: ${fraction} of the free memory${tokens === null ? "" : `, in which the pool holds ${formatInteger(tokens)} tokens`} (modelled)`,
  );
  return lines;
}
