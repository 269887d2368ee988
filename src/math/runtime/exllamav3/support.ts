/** What exllamav3 1.4.1 can load, and what of it a layer cannot tell. */
import type { ModelSpec } from "../../model.ts";

interface Support {
  /** Windowed layers keep a ring for each sequence (SlidingAttention); false: a cache of the whole context. */
  readonly rings: boolean;
  /** Layers can be shared among GPUs. */
  readonly tensorParallel: boolean;
}

const PLAIN: Support = { rings: false, tensorParallel: true };
const RINGS: Support = { rings: true, tensorParallel: true };
const ALONE: Support = { rings: false, tensorParallel: false };

/**
 * By config.json's model_type. exllamav3 itself goes by the class in `architectures`.
 * @source turboderp-org/exllamav3 v1.4.1 exllamav3/architecture/architectures.py, and supports_tp of each
 */
const BY_MODEL_TYPE: Readonly<Record<string, Support>> = {
  afmoe: { rings: true, tensorParallel: false },
  apertus: PLAIN,
  arcee: PLAIN,
  cohere: PLAIN,
  cohere2: PLAIN,
  deepseek_v3: ALONE,
  dots1: PLAIN,
  ernie4_5: PLAIN,
  ernie4_5_moe: PLAIN,
  exaone4: PLAIN,
  gemma2: PLAIN,
  gemma3: PLAIN,
  gemma3_text: PLAIN,
  gemma4: RINGS,
  gemma4_text: RINGS,
  glm4: PLAIN,
  glm4_moe: PLAIN,
  glm4v: PLAIN,
  glm4v_moe: PLAIN,
  gpt_oss: RINGS,
  kimi_k2: ALONE,
  lfm2_moe: ALONE,
  llama: PLAIN,
  mimo: PLAIN,
  minimax_m2: PLAIN,
  ministral3: PLAIN,
  mistral: PLAIN,
  mistral3: PLAIN,
  mixtral: PLAIN,
  nanochat: ALONE,
  "nemotron-nas": PLAIN,
  nemotron_h: PLAIN,
  olmo3: ALONE,
  phi3: PLAIN,
  qwen2: PLAIN,
  qwen2_5_vl: PLAIN,
  qwen3: PLAIN,
  qwen3_5: PLAIN,
  qwen3_5_text: PLAIN,
  qwen3_5_moe: PLAIN,
  qwen3_5_moe_text: PLAIN,
  qwen3_moe: PLAIN,
  qwen3_next: ALONE,
  qwen3_vl: PLAIN,
  qwen3_vl_moe: PLAIN,
  seed_oss: PLAIN,
  smollm3: PLAIN,
  solar_open: PLAIN,
};

/** null: this version does not load it. */
export function supportOf({ modelType }: ModelSpec): Support | null {
  return modelType !== null && Object.hasOwn(BY_MODEL_TYPE, modelType) ? (BY_MODEL_TYPE[modelType] ?? null) : null;
}
