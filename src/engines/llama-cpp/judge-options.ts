/** A plan's options as far as the judge takes them (its fixed settings: protocol.ts), and hwLedger's own figures for exactly those. */
import type { Machine } from "../../math/machine.ts";
import type { ModelSpec } from "../../math/model.ts";
import { NO_OPTIONS } from "../../math/options.ts";
import { LLAMA_CPP } from "../../math/runtime/llama-cpp/index.ts";
import { NEWEST_RULES } from "../../math/runtime/llama-cpp/rules.ts";
import type { LlamaCppOptions } from "../../math/runtime/llama-cpp/types.ts";
import type { AskedContext } from "./protocol.ts";

export const ASKED_PARTS = ["weights_bytes", "kv_cache_bytes", "state_bytes", "compute_bytes", "output_bytes"] as const;
export type AskedPart = (typeof ASKED_PARTS)[number];
export type AskedParts = Readonly<Record<AskedPart, number>>;

/** n_ctx of a llama.cpp log is the total of all sequences. */
export function askedContext(options: LlamaCppOptions): AskedContext {
  return {
    contextTotal: options.context * options.sequences,
    sequences: options.sequences,
    ubatch: Math.min(options.ubatch, options.batch),
    flashAttention: options.flashAttention ? "on" : "off",
    kvTypeK: options.kvTypeK,
    kvTypeV: options.kvTypeV,
    swaFull: options.swaFull,
  };
}

/** Why the judge cannot be asked even nearly this; null: it can. */
export function beyondJudge(options: LlamaCppOptions): string | null {
  if (options.rules !== NEWEST_RULES) {
    return `only llama.cpp ${NEWEST_RULES.version} can be asked, and the plan is for ${options.rules.version}`;
  }
  if (!options.kvUnified || options.sequences === 1) return null;
  return `llama.cpp can be asked for a cache of each sequence only, and the plan has one pool for ${options.sequences}`;
}

/** In words, how the question differs from the plan; empty = it does not. */
export function judgeSettings(options: LlamaCppOptions): readonly string[] {
  const { ubatch } = askedContext(options);
  const told: string[] = [];
  if (options.gpuLayers > 0) told.push("all layers in system memory");
  if (options.outputs !== ubatch) told.push(`${ubatch} rows of logits a step instead of ${options.outputs}`);
  return told;
}

/** hwLedger's figures for what the judge is asked; null when hwLedger refuses that. */
export function planAsJudged(model: ModelSpec, options: LlamaCppOptions): AskedParts | null {
  const { ubatch, flashAttention } = askedContext(options);
  const { context, sequences, kvTypeK, kvTypeV, swaFull } = options;
  const asked = { context, sequences, ubatch, flashAttention, kvTypeK, kvTypeV, swaFull } as const;
  const plan = LLAMA_CPP.plan(model, { ...NO_OPTIONS, ...asked, program: "api", batch: ubatch }, CPU_ONLY);
  if (plan.status === "refused") return null;
  const sum = (part: AskedPart): number => plan.parts[part].reduce((total, bytes) => total + bytes, 0);
  return {
    weights_bytes: sum("weights_bytes"),
    kv_cache_bytes: sum("kv_cache_bytes"),
    state_bytes: sum("state_bytes"),
    compute_bytes: sum("compute_bytes"),
    output_bytes: sum("output_bytes"),
  };
}

/** The machine of the judge: no accelerator, and memory that nobody counts. */
export const CPU_ONLY: Machine = {
  id: "cpu",
  accelerators: [],
  host: {
    id: "cpu",
    name: "CPU",
    backend: "cpu",
    memoryBytes: null,
    usableBytes: null,
    freeBytes: null,
    bandwidthBytesPerSecond: null,
  },
  unified: false,
  here: false,
  warnings: [],
};
