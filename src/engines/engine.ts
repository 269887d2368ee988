/** What an engine can be asked beyond being planned for (math/runtime has the planning). */
import type { EngineId } from "../math/options.ts";
import type { AskOptions } from "./llama-cpp/ask.ts";
import type { PlanAnswer, PlanQuestion } from "./llama-cpp/ask-plan.ts";

export interface Engine {
  readonly id: EngineId;
  /** Accounts for a model from its header, with no weights and no allocation; null: this engine cannot. */
  readonly askPlan: ((question: PlanQuestion, options: AskOptions) => Promise<PlanAnswer>) | null;
}
