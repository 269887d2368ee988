import { isForkType } from "../../ggml-types.ts";
import type { ModelSpec } from "../../model.ts";
import { tensorsOf } from "../../parts/weights-check.ts";
import type { EngineRefusal } from "../runtime.ts";

const known = new WeakMap<ModelSpec, EngineRefusal | null>();

/** A file with tensors that only ik_llama.cpp reads. */
export function refuseForkTypes(model: ModelSpec): EngineRefusal | null {
  const before = known.get(model);
  if (before !== undefined) return before;
  let refusal: EngineRefusal | null = null;
  for (const { name, type } of tensorsOf(model)) {
    if (type === null || !isForkType(type)) continue;
    refusal = {
      status: "refused",
      reason: `llama.cpp has no tensor type ${type}, which "${name}" has`,
      hint: "plan for ik_llama.cpp, whose type it is",
    };
    break;
  }
  known.set(model, refusal);
  return refusal;
}
