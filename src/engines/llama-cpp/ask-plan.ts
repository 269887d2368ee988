/**
 * A plan put to llama.cpp itself: the file's header, the tensors as the plan has typed them, the options as far as the judge
 * takes them. A part that was asked otherwise than planned stays empty, and a sentence compares like with like.
 */
import type { GgufHeader } from "../../math/arch/family.ts";
import { formatBytes } from "../../math/format.ts";
import type { ModelSpec, TensorSpec } from "../../math/model.ts";
import type { AskedMemory } from "../../math/result.ts";
import { optionsOfPlan } from "../../math/runtime/llama-cpp/plan.ts";
import type { LlamaCppOptions } from "../../math/runtime/llama-cpp/types.ts";
import type { EnginePlan } from "../../math/runtime/runtime.ts";
import { type AskOptions, type AskResult, askLlamaCpp } from "./ask.ts";
import { accountedParts } from "./asked-memory.ts";
import { magnified } from "./exact-caches.ts";
import { judgeMetadata } from "./judge-metadata.ts";
import {
  ASKED_PARTS,
  type AskedPart,
  type AskedParts,
  askedContext,
  beyondJudge,
  judgeSettings,
  planAsJudged,
} from "./judge-options.ts";
import type { AskedTensor } from "./protocol.ts";

export interface PlanQuestion {
  /** The file's own header, checked; null for a model known from its config.json alone. */
  readonly header: GgufHeader | null;
  /** Typed. */
  readonly model: ModelSpec;
  readonly plan: EnginePlan;
  /** The plan's own figures, all devices together; null where it has none. */
  readonly planned: Readonly<Record<AskedPart, number | null>>;
}

export type PlanAnswer =
  | {
      readonly status: "answered";
      readonly asked: AskedMemory;
      /** What was asked otherwise than planned, and both sides' figures for it, a sentence each; empty = the same question. */
      readonly differences: readonly string[];
    }
  | { readonly status: "not_answered"; readonly reason: string; readonly hint: string | null };

export async function askPlan(question: PlanQuestion, ask: AskOptions): Promise<PlanAnswer> {
  const { header, model } = question;
  const options = optionsOfPlan(question.plan);
  if (options === null) return notAnswered("the plan is another engine's");
  if (header === null) {
    const reason = "llama.cpp accounts for a model from a GGUF header, and this model has none";
    return { status: "not_answered", reason, hint: "name a GGUF file of it, as org/name:Q4_K_M" };
  }
  const metadata = judgeMetadata(header);
  if (metadata.status === "incomplete") {
    return notAnswered(`the header's ${metadata.missing.join(", ")} is too long to have been kept`);
  }
  const beyond = beyondJudge(options);
  if (beyond !== null) return notAnswered(beyond);
  const context = askedContext(options);
  const contexts = [context, magnified(context)];
  const result = await askLlamaCpp({ metadata: metadata.pairs, tensors: askedTensors(model), contexts }, ask);
  return answerOf(result, question, options);
}

/** Every tensor once, by llama.cpp's own names. @throws {RangeError} when one has no type */
export function askedTensors(model: ModelSpec): readonly AskedTensor[] {
  const layers = [...model.layers, ...model.mtpLayers].flatMap((layer) => layer.tensors);
  return [...model.outside, ...layers].map(typed);
}

function typed({ name, type }: TensorSpec): AskedTensor {
  if (type !== null) return { name, type };
  throw new RangeError(`Cannot ask about "${name}": it has no type; give the model a weights choice first`);
}

function notAnswered(reason: string): PlanAnswer {
  return { status: "not_answered", reason, hint: null };
}

function answerOf(result: AskResult, question: PlanQuestion, options: LlamaCppOptions): PlanAnswer {
  switch (result.status) {
    case "ok":
      return answered(result, question, options);
    case "unavailable":
      return { status: "not_answered", reason: result.reason, hint: result.hint };
    case "refused":
      return notAnswered(`llama.cpp refuses the model: ${result.reason}`);
    case "crashed":
      return notAnswered(`llama.cpp aborts on this: ${lastLine(result.tail) ?? result.signal ?? "it said nothing"}`);
    case "timed_out": {
      const reason = `llama.cpp did not answer within ${result.timeoutMs} ms`;
      return { status: "not_answered", reason, hint: "try again when the machine is less busy" };
    }
    case "cancelled":
      return notAnswered("the question was cancelled");
    default:
      return result satisfies never;
  }
}

function answered(
  result: Extract<AskResult, { status: "ok" }>,
  { model, planned }: PlanQuestion,
  options: LlamaCppOptions,
): PlanAnswer {
  const [context, large] = result.contexts;
  if (context === undefined || result.weightsBytes === null)
    return notAnswered("llama.cpp said nothing of the context");
  if (context.status === "refused") return notAnswered(`llama.cpp refuses the context: ${context.reason}`);
  const ours = planAsJudged(model, options);
  const theirs = accountedParts(result.weightsBytes, context, large ?? null, ours);
  const unlike = ours === null ? [] : ASKED_PARTS.filter((part) => ours[part] !== planned[part]);
  const part = (name: AskedPart): number | null => (unlike.includes(name) ? null : theirs[name]);
  return {
    status: "answered",
    asked: {
      engine: "llama.cpp",
      version: result.version,
      weights_bytes: part("weights_bytes"),
      kv_cache_bytes: part("kv_cache_bytes"),
      state_bytes: part("state_bytes"),
      compute_bytes: part("compute_bytes"),
      output_bytes: part("output_bytes"),
    },
    differences:
      ours === null || unlike.length === 0 ? [] : [likeWithLike(unlike, theirs, ours, judgeSettings(options))],
  };
}

const PART_NAMES: Readonly<Record<AskedPart, string>> = {
  weights_bytes: "weights",
  kv_cache_bytes: "KV cache",
  state_bytes: "state",
  compute_bytes: "compute",
  output_bytes: "output",
};

function likeWithLike(
  parts: readonly AskedPart[],
  theirs: AskedParts,
  ours: AskedParts,
  settings: readonly string[],
): string {
  const figures = parts.map((part) => {
    const same = theirs[part] === ours[part] ? "the same" : formatBytes(ours[part]);
    return `${PART_NAMES[part]} ${formatBytes(theirs[part])} (hwLedger: ${same})`;
  });
  return `llama.cpp can only be asked with ${settings.join(" and ") || "its own settings"}; for that it says ${figures.join(", ")}.`;
}

function lastLine(tail: string): string | null {
  return tail.split("\n").findLast((line) => line.trim() !== "") ?? null;
}
