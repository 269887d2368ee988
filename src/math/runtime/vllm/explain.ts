import { formatBytes, formatInteger } from "../../format.ts";
import type { EnginePlan } from "../runtime.ts";
import { blocksByGroup, type Pool, type Pooled, profileOf, rowsOf } from "./pool.ts";
import { standingBytes } from "./profile.ts";

const sum = (bytes: Iterable<number>): number => {
  let all = 0;
  for (const one of bytes) all += one;
  return all;
};

/** One line per term: what it is, the formula with this plan's numbers, what it comes to, and how well it is known. */
export function explainVllm(pooled: Pooled, plan: EnginePlan, pool: Pool | null): readonly string[] {
  const { options, model, rules } = pooled;
  const { tensor, pipeline } = options.ranks;
  const ranks = tensor * pipeline;
  const rows = rowsOf(pooled, options.sequences, options.sequencesAsked);
  const standing = standingBytes(model, profileOf(pooled, options.context, rows), pipeline);
  const lines = [
    `Weights: merged matrices of ${model.layers.length} layers${ranks === 1 ? "" : ` on ${tensor} × ${pipeline} ranks`}, each as PyTorch allocates it, with the rotary tables = ${formatBytes(sum(plan.parts.weights_bytes))} (modelled)`,
    ...explainCaches(pooled),
    `Activations: a step of ${formatInteger(options.batch)} tokens, or the sampler over ${formatInteger(rows)} sequences × ${formatInteger(model.vocabularySize)} words, on each rank = ${formatBytes(Math.max(...plan.parts.compute_bytes))} (modelled)`,
  ];
  const parts = [
    standing.counts > 0 &&
      `counts of sampled tokens ${formatInteger(rows)} × ${formatInteger(model.vocabularySize)} × 4 B = ${formatBytes(standing.counts)}`,
    standing.workspace > 0 && `latent rows of long prompts ${formatBytes(standing.workspace)}`,
    standing.graphs > 0 && `CUDA graphs about ${formatBytes(standing.graphs)}`,
    `libraries about ${formatBytes(standing.libraries)}`,
  ].filter((part) => part !== false);
  lines.push(`Beside them, on each rank: ${parts.join(", ")}, and cache pages that no layer uses (modelled)`);
  if (pool !== null)
    lines.push(
      `Pool: ${options.utilization} × memory − weights − activations − what stands = ${formatBytes(pool.bytes)} on the fullest rank = ${formatInteger(pool.blocks)} blocks, ${formatInteger(pool.tokens)} tokens, ${pool.concurrency.toFixed(2)} sequences of ${formatInteger(options.context)} (modelled; the default share is ${rules.utilization})`,
    );
  return lines;
}

function explainCaches(pooled: Pooled): string[] {
  const { layout, options } = pooled;
  const byGroup = blocksByGroup(pooled, options.context);
  return layout.groups.map(({ specs, block }, g) => {
    const [first] = specs;
    const pages = byGroup[g] ?? 0;
    const bytes = specs.reduce((all, { pageBytes }) => all + (layout.pageBytes || pageBytes), 0);
    const what =
      first?.kind === "state"
        ? "states"
        : `${first?.kind ?? "full"} attention${first?.window == null ? "" : `, window ${formatInteger(first.window)}`}, ${formatInteger(block)} tokens a page`;
    return `Cache of ${specs.length} layers (${what}): ${formatInteger(pages)} pages × ${formatBytes(bytes)} × ${options.sequences} = ${formatBytes(pages * bytes * options.sequences)} on each rank (exact)`;
  });
}
