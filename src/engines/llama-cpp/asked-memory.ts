/**
 * llama.cpp's answer as bytes. It reports weights and the sum of caches, states and compute buffers to the byte, caches to
 * the byte when magnified (exact-caches.ts), and the rest to 0.01 MiB: a figure of ours that prints the same stands for it.
 */
import { MIB } from "../../math/units.ts";
import { exactCacheBytes } from "./exact-caches.ts";
import type { AskedPart, AskedParts } from "./judge-options.ts";
import type { ContextAnswer } from "./protocol.ts";

type Accounted = Extract<ContextAnswer, { status: "ok" }>;

/** Half of the last digit printed. */
const HALF_DIGIT_BYTES = 0.005 * MIB;

/** @param ours hwLedger's figures for the same question; null when it has none */
export function accountedParts(
  weightsBytes: number,
  context: Accounted,
  large: ContextAnswer | null,
  ours: AskedParts | null,
): AskedParts {
  const printed = (part: AskedPart, parts: readonly { readonly mib: number }[]): number => {
    const bytes = Math.round(parts.reduce((sum, { mib }) => sum + mib, 0) * MIB);
    const mine = ours?.[part] ?? null;
    return mine !== null && Math.abs(mine - bytes) <= HALF_DIGIT_BYTES * parts.length ? mine : bytes;
  };
  const kv = (large === null ? null : exactCacheBytes(context, large)) ?? printed("kv_cache_bytes", context.caches);
  const state = printed("state_bytes", context.states);
  return {
    weights_bytes: weightsBytes,
    kv_cache_bytes: kv,
    state_bytes: state,
    compute_bytes: context.totalBytes - kv - state,
    output_bytes: printed("output_bytes", context.output),
  };
}
