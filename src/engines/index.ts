/** Every engine hwLedger talks to. A new id in math/options.ts is a missing row here, which the compiler names. */
import type { EngineId } from "../math/options.ts";
import type { Engine } from "./engine.ts";
import { askPlan } from "./llama-cpp/ask-plan.ts";

export const ENGINE_TABLE: Readonly<Record<EngineId, Engine>> = {
  "llama.cpp": { id: "llama.cpp", askPlan },
  "ik_llama.cpp": { id: "ik_llama.cpp", askPlan: null },
  lmstudio: { id: "lmstudio", askPlan },
  ollama: { id: "ollama", askPlan },
  "node-llama-cpp": { id: "node-llama-cpp", askPlan },
  "mistral.rs": { id: "mistral.rs", askPlan: null },
  exllamav3: { id: "exllamav3", askPlan: null },
  mlx: { id: "mlx", askPlan: null },
  vllm: { id: "vllm", askPlan: null },
  sglang: { id: "sglang", askPlan: null },
  tgi: { id: "tgi", askPlan: null },
  transformers: { id: "transformers", askPlan: null },
};
