import type { EngineId } from "../options.ts";
import { LLAMA_CPP } from "./llama-cpp/index.ts";
import type { Runtime } from "./runtime.ts";

/** Every engine whose memory is modelled. A forgotten row does not compile. */
export const RUNTIMES = {
  "llama.cpp": LLAMA_CPP,
} as const satisfies Record<EngineId, Runtime>;
