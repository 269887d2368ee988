import { isForkType } from "../../ggml-types.ts";
import type { ModelSpec } from "../../model.ts";
import { tensorsOf } from "../../parts/weights-check.ts";
import type { EngineRefusal } from "../runtime.ts";

interface Found {
  readonly name: string;
  readonly type: string;
}

const known = new WeakMap<ModelSpec, Found | null>();

/** A file with tensors that only ik_llama.cpp reads. */
export function refuseForkTypes(engine: string, model: ModelSpec): EngineRefusal | null {
  let found = known.get(model);
  if (found === undefined) {
    found = firstOf(model);
    known.set(model, found);
  }
  if (found === null) return null;
  return {
    status: "refused",
    reason: `${engine} has no tensor type ${found.type}, which "${found.name}" has`,
    hint: "plan for ik_llama.cpp, whose type it is",
  };
}

function firstOf(model: ModelSpec): Found | null {
  for (const { name, type } of tensorsOf(model)) if (type !== null && isForkType(type)) return { name, type };
  return null;
}
