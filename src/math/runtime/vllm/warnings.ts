import { formatBytes, formatInteger } from "../../format.ts";
import type { EnginePlan } from "../runtime.ts";
import type { Pool, Pooled } from "./pool.ts";

/** What a person should know of a pool that is as large as the memory allows. */
export function poolWarnings({ options, layout, model }: Pooled, plan: EnginePlan, pool: Pool | null): string[] {
  const warnings: string[] = [];
  if (layout.groups.length === 0)
    warnings.push("This model keeps no cache: vLLM runs it for embeddings, each text at once.");
  if (options.kvType === "fp8_e5m2" && model.layers.some((layer) => layer.mixers.some(({ kind }) => kind === "latent")))
    warnings.push("vLLM's kernels for latent attention take fp8, not fp8_e5m2.");
  if (pool === null || pool.blocks === 0) return warnings;
  let left = 0;
  for (const bytes of plan.spare) {
    if (bytes !== null && bytes < 0) return warnings;
    left += bytes ?? 0;
  }
  warnings.push(
    `vLLM takes ${formatBytes(left)} more than this plan needs: its pool holds ${formatInteger(pool.tokens)} tokens, ${formatRequests(pool.concurrency)} of ${formatInteger(options.context)} tokens.`,
  );
  return warnings;
}

function formatRequests(concurrency: number): string {
  return `${concurrency.toFixed(2)} sequences`;
}
