/**
 * A plan put to llama.cpp itself: the file's header, the tensors as the plan has typed them, the options as far as the judge
 * takes them. What it does not take is said, so that nobody compares unlike things.
 */
import type { GgufHeader } from "../../math/arch/family.ts";
import type { ModelSpec, TensorSpec } from "../../math/model.ts";
import type { AskedMemory } from "../../math/result.ts";
import type { LlamaCppOptions } from "../../math/runtime/llama-cpp/types.ts";
import { MIB } from "../../math/units.ts";
import { type AskOptions, type AskResult, askLlamaCpp } from "./ask.ts";
import { exactCacheBytes, magnified } from "./exact-caches.ts";
import { judgeMetadata } from "./judge-metadata.ts";
import type { AskedContext, AskedTensor, ContextAnswer } from "./protocol.ts";

export interface PlanQuestion {
  /** The file's own header, checked; null for a model known from its config.json alone. */
  readonly header: GgufHeader | null;
  /** Typed. */
  readonly model: ModelSpec;
  readonly options: LlamaCppOptions;
}

export type PlanAnswer =
  | {
      readonly status: "answered";
      readonly asked: AskedMemory;
      /** What was asked otherwise than planned, a sentence each; empty = the same question. */
      readonly differences: readonly string[];
    }
  | { readonly status: "not_answered"; readonly reason: string; readonly hint: string | null };

const NO_HINT = { hint: null } as const;

export async function askPlan({ header, model, options }: PlanQuestion, ask: AskOptions): Promise<PlanAnswer> {
  if (header === null) {
    return {
      status: "not_answered",
      reason: "llama.cpp accounts for a model from a GGUF header, and this model has none",
      hint: "name a GGUF file of it, as org/name:Q4_K_M",
    };
  }
  const metadata = judgeMetadata(header);
  if (metadata.status === "incomplete") {
    return {
      status: "not_answered",
      reason: `the header's ${metadata.missing.join(", ")} is too long to have been kept`,
      ...NO_HINT,
    };
  }
  const context = askedContext(options);
  const result = await askLlamaCpp(
    { metadata: metadata.pairs, tensors: askedTensors(model), contexts: [context, magnified(context)] },
    ask,
  );
  return answerOf(result, differences(options));
}

/** Every tensor once, by llama.cpp's own names. @throws {RangeError} when one has no type */
export function askedTensors(model: ModelSpec): readonly AskedTensor[] {
  const layers = [...model.layers, ...model.mtpLayers].flatMap((layer) => layer.tensors);
  return [...model.outside, ...layers].map(typed);
}

function typed({ name, type }: TensorSpec): AskedTensor {
  if (type === null)
    throw new RangeError(`Cannot ask about "${name}": it has no type; give the model a weights choice first`);
  return { name, type };
}

/** n_ctx of a llama.cpp log is the total of all sequences, unless they share one pool. */
export function askedContext(options: LlamaCppOptions): AskedContext {
  return {
    contextTotal: options.kvUnified ? options.context : options.context * options.sequences,
    sequences: options.sequences,
    ubatch: Math.min(options.ubatch, options.batch),
    flashAttention: options.flashAttention ? "on" : "off",
    kvTypeK: options.kvTypeK,
    kvTypeV: options.kvTypeV,
    swaFull: options.swaFull,
  };
}

/** The options that the judge answers for when these are put to it: what a plan to be held against its answer has to take. */
export function judgeOptions(options: LlamaCppOptions): LlamaCppOptions {
  const ubatch = Math.min(options.ubatch, options.batch);
  return {
    ...options,
    program: "api",
    batch: ubatch,
    ubatch,
    outputs: ubatch,
    kvUnified: options.sequences === 1 && options.kvUnified,
    gpuLayers: 0,
    cpuMoeLayers: 0,
    tensorSplit: null,
    overrideTensor: [],
  };
}

function differences(options: LlamaCppOptions): readonly string[] {
  const judged = judgeOptions(options);
  const told: string[] = [];
  if (options.gpuLayers > 0)
    told.push("llama.cpp was asked with all layers in system memory; weights and compute buffers differ on a GPU.");
  if (options.outputs !== judged.outputs) {
    told.push(
      `llama.cpp was asked for ${judged.outputs} rows of logits a step, the plan for ${options.outputs}; the compute buffer may differ.`,
    );
  }
  if (options.kvUnified !== judged.kvUnified)
    told.push("llama.cpp was asked with a cache for each sequence, the plan has one pool.");
  return told;
}

function answerOf(result: AskResult, told: readonly string[]): PlanAnswer {
  switch (result.status) {
    case "ok": {
      const [context, large] = result.contexts;
      if (context === undefined)
        return { status: "not_answered", reason: "llama.cpp did not answer for the context", ...NO_HINT };
      if (context.status === "refused")
        return { status: "not_answered", reason: `llama.cpp refused the context: ${context.reason}`, ...NO_HINT };
      return { status: "answered", asked: memoryOf(result, context, large ?? null), differences: told };
    }
    case "unavailable":
      return { status: "not_answered", reason: result.reason, hint: result.hint };
    case "refused":
      return { status: "not_answered", reason: `llama.cpp refused the model: ${result.reason}`, ...NO_HINT };
    case "crashed":
      return {
        status: "not_answered",
        reason: `llama.cpp aborted on this model: ${lastLine(result.tail) ?? result.signal ?? "no words"}`,
        ...NO_HINT,
      };
    case "timed_out":
      return {
        status: "not_answered",
        reason: `llama.cpp did not answer within ${result.timeoutMs} ms`,
        hint: "try again when the machine is less busy",
      };
    case "cancelled":
      return { status: "not_answered", reason: "the question was cancelled", ...NO_HINT };
    default:
      return result satisfies never;
  }
}

function memoryOf(
  result: Extract<AskResult, { status: "ok" }>,
  context: Extract<ContextAnswer, { status: "ok" }>,
  large: ContextAnswer | null,
): AskedMemory {
  const exact = large === null ? null : exactCacheBytes(context, large);
  const kv = exact ?? printed(context.caches);
  const state = printed(context.states);
  return {
    engine: "llama.cpp",
    version: result.version,
    weights_bytes: result.weightsBytes,
    kv_cache_bytes: kv,
    state_bytes: state,
    // Exactly what is left of the exact total, as far as the other two are exact.
    compute_bytes: context.totalBytes - kv - state,
    output_bytes: printed(context.output),
  };
}

/** As printed, to 0.01 MiB. */
function printed(parts: readonly { readonly mib: number }[]): number {
  return Math.round(parts.reduce((sum, part) => sum + part.mib, 0) * MIB);
}

function lastLine(tail: string): string | null {
  return tail.split("\n").findLast((line) => line.trim() !== "") ?? null;
}
