import type { EngineId } from "../options.ts";
import { EXLLAMAV3 } from "./exllamav3/index.ts";
import { IK_LLAMA_CPP } from "./ik-llama-cpp/index.ts";
import { LLAMA_CPP } from "./llama-cpp/index.ts";
import { LM_STUDIO } from "./lmstudio/index.ts";
import { MISTRAL_RS } from "./mistral-rs/index.ts";
import { MLX } from "./mlx/index.ts";
import { NODE_LLAMA_CPP } from "./node-llama-cpp/index.ts";
import { OLLAMA } from "./ollama/index.ts";
import type { Runtime } from "./runtime.ts";
import { SGLANG } from "./sglang/index.ts";
import { TGI } from "./tgi/index.ts";
import { TRANSFORMERS } from "./transformers/index.ts";
import { VLLM } from "./vllm/index.ts";

/** Every engine whose memory is modelled. A forgotten row does not compile. */
export const RUNTIMES = {
  "llama.cpp": LLAMA_CPP,
  "ik_llama.cpp": IK_LLAMA_CPP,
  lmstudio: LM_STUDIO,
  ollama: OLLAMA,
  "node-llama-cpp": NODE_LLAMA_CPP,
  "mistral.rs": MISTRAL_RS,
  exllamav3: EXLLAMAV3,
  mlx: MLX,
  vllm: VLLM,
  sglang: SGLANG,
  tgi: TGI,
  transformers: TRANSFORMERS,
} as const satisfies Record<EngineId, Runtime>;
