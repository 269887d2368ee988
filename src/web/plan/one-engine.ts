/**
 * The browser's table of engines: the page plans for one at a time, and another is another load of the page. Scripts for
 * the browser are bundled with this in the place of math/runtime/index.ts (scripts/assets.ts).
 */
import type { EngineId } from "../../math/options.ts";
import type { Runtime } from "../../math/runtime/runtime.ts";

const LOADERS = {
  "llama.cpp": async () => (await import("../../math/runtime/llama-cpp/index.ts")).LLAMA_CPP,
  lmstudio: async () => (await import("../../math/runtime/lmstudio/index.ts")).LM_STUDIO,
  ollama: async () => (await import("../../math/runtime/ollama/index.ts")).OLLAMA,
  "ik_llama.cpp": async () => (await import("../../math/runtime/ik-llama-cpp/index.ts")).IK_LLAMA_CPP,
  "node-llama-cpp": async () => (await import("../../math/runtime/node-llama-cpp/index.ts")).NODE_LLAMA_CPP,
  "mistral.rs": async () => (await import("../../math/runtime/mistral-rs/index.ts")).MISTRAL_RS,
  exllamav3: async () => (await import("../../math/runtime/exllamav3/index.ts")).EXLLAMAV3,
  mlx: async () => (await import("../../math/runtime/mlx/index.ts")).MLX,
  vllm: async () => (await import("../../math/runtime/vllm/index.ts")).VLLM,
  sglang: async () => (await import("../../math/runtime/sglang/index.ts")).SGLANG,
  tgi: async () => (await import("../../math/runtime/tgi/index.ts")).TGI,
  transformers: async () => (await import("../../math/runtime/transformers/index.ts")).TRANSFORMERS,
} as const satisfies Record<EngineId, () => Promise<Runtime>>;

/** Those that were loaded. */
export const RUNTIMES: Partial<Record<EngineId, Runtime>> = {};

export async function loadEngine(id: EngineId): Promise<void> {
  RUNTIMES[id] = await LOADERS[id]();
}
