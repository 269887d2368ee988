import { PRESET_WEIGHTS } from "../../weights-choice.ts";
import type { Runtime } from "../runtime.ts";
import { llamaDifference } from "./difference.ts";
import { planLlamaCpp } from "./plan.ts";
import { LLAMA_CPP_VERSIONS, rulesOf } from "./rules.ts";

export const LLAMA_CPP: Runtime = {
  id: "llama.cpp",
  versions: LLAMA_CPP_VERSIONS,
  knows: (version) => rulesOf(version) !== null,
  difference: llamaDifference,
  extras: ["draft", "projector", "adapters"],
  ...PRESET_WEIGHTS,
  kvOffered: ["f16", "q8_0", "q4_0"],
  asked: true,
  plan: planLlamaCpp,
};
