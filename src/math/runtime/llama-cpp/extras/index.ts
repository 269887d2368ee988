import type { PlanExtras } from "../../../extras.ts";
import type { Machine } from "../../../machine.ts";
import type { ModelSpec } from "../../../model.ts";
import type { EngineRefusal } from "../../runtime.ts";
import { shellWord } from "../../shell.ts";
import type { Beside } from "../beside.ts";
import type { Prepared } from "../prepare.ts";
import { adapterBeside } from "./adapters.ts";
import { draftBeside, mtpBeside } from "./draft.ts";
import { projectorBeside } from "./projector.ts";

/** What a load with these takes more; adapters go where the layers are, so it follows every placement. */
export function extrasBeside(extras: PlanExtras, prepared: Prepared, machine: Machine): readonly Beside[] {
  const { draft, projector, adapters } = extras;
  const { model, options } = prepared;
  return [
    ...(projector === null ? [] : [projectorBeside(projector, prepared)]),
    ...adapters.map((adapter) => adapterBeside(adapter, prepared)),
    ...(draft === null
      ? []
      : draft === "mtp"
        ? [mtpBeside(model, options, machine)]
        : [draftBeside(draft, options, machine)]),
  ];
}

/** What llama.cpp would not load beside this model. */
export function refuseExtras({ draft, projector, adapters }: PlanExtras, model: ModelSpec): EngineRefusal | null {
  if (draft === "mtp" && model.mtpLayers.length === 0) {
    return {
      status: "refused",
      reason: "This model has no blocks for multi-token prediction",
      hint: "name a draft model, or leave --draft out",
    };
  }
  if (draft !== null && draft !== "mtp" && draft.model.vocabularySize !== model.vocabularySize) {
    const difference = Math.abs(draft.model.vocabularySize - model.vocabularySize);
    // @source common/speculative.cpp SPEC_VOCAB_MAX_SIZE_DIFFERENCE
    if (difference > 128) {
      return {
        status: "refused",
        reason: `The draft model has ${draft.model.vocabularySize} tokens and the model ${model.vocabularySize}: llama.cpp wants at most 128 between them`,
        hint: "take a draft model of the same family",
      };
    }
  }
  const wrong = [
    ...(projector !== null && projector.architecture !== "clip" ? [[projector.name, "a projector"] as const] : []),
    ...adapters
      .filter(({ tensors }) => !tensors.some(({ name }) => name.endsWith(".lora_a")))
      .map(({ name }) => [name, "an adapter"] as const),
  ];
  const [first] = wrong;
  if (first === undefined) return null;
  return {
    status: "refused",
    reason: `"${first[0]}" is not ${first[1]}`,
    hint: "name the GGUF that its conversion made",
  };
}

/** The end of the command line. */
export function extrasArguments({ draft, projector, adapters }: PlanExtras): string {
  return [
    ...(projector === null ? [] : [`--mmproj ${shellWord(projector.name)}`]),
    ...adapters.map(({ name }) => `--lora ${shellWord(name)}`),
    ...(draft === null ? [] : draft === "mtp" ? ["--spec-type draft-mtp"] : [`-md ${shellWord(draft.name)}`]),
  ].join(" ");
}
