/** The engine's own figures as a fragment; where it was not asked, why not. */
import type { PlanResult } from "../../math/result.ts";
import { type Html, html } from "../html.ts";
import { askedTable } from "./why.ts";

export function askedAnswer({ memory, warnings, engine }: PlanResult): Html {
  const { asked, weights_bytes, kv_cache_bytes, state_bytes, compute_bytes, output_bytes, overhead_bytes } = memory;
  if (asked === null) {
    const reason = warnings.findLast((warning) => warning.includes("was not asked")) ?? `${engine.id} did not answer`;
    return html`<div class="note-box" role="status"><p>${reason}.</p></div>`;
  }
  const ours = {
    weights_bytes: weights_bytes ?? 0,
    kv_cache_bytes: kv_cache_bytes ?? 0,
    state_bytes: state_bytes ?? 0,
    compute_bytes: compute_bytes ?? 0,
    output_bytes: output_bytes ?? 0,
    overhead_bytes: overhead_bytes ?? 0,
  };
  return askedTable(ours, asked, warnings);
}
