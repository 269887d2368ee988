import { formatInteger } from "../../format.ts";
import type { ModelSpec } from "../../model.ts";
import { groupCaches } from "./groups.ts";
import { vllmRules } from "./rules.ts";
import { blockTokens, type CacheOptions, cacheSpecs } from "./specs.ts";

/** What vLLM does otherwise with this model's memory. */
export function vllmDifference(model: ModelSpec): string {
  const rules = vllmRules(null);
  const options: CacheOptions = { ranks: 1, kvBytes: 2, fp8: false, fullLength: false, rules };
  const grouping = groupCaches(cacheSpecs(model, options), rules.padsPages);
  const takes = `vLLM takes ${Math.round(rules.utilization * 100)} % of the GPU whatever a plan needs, and fills the rest with cache blocks`;
  if (grouping.status === "refused" || grouping.layout.groups.length === 0) return `${takes}.`;
  const { groups } = grouping.layout;
  if (groups.some(({ specs }) => specs.some(({ kind }) => kind === "state")))
    return `${takes}; attention and states share pages of ${formatInteger(blockTokens(model, options))} tokens.`;
  if (groups.length > 1)
    return `${takes}; windowed layers keep their window and two steps' tokens, in ${groups.length} groups of layers with equal pages.`;
  return `${takes} of ${blockTokens(model, options)} tokens.`;
}
