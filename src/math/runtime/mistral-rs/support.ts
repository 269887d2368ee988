/** What mistral.rs 0.9.2 can load, and how its layers of that name are built where a layer cannot tell. */
import type { ModelSpec } from "../../model.ts";

interface Support {
  /** Dense layers keep gate and up a second time as one matrix (layers.rs Mlp); false for those with an MLP of their own. */
  readonly mergesGateUp: boolean;
  /** A vision or audio tower comes with it, which is no part of this plan. */
  readonly tower: boolean;
}

const MERGED: Support = { mergesGateUp: true, tower: false };
const OWN_MLP: Support = { mergesGateUp: false, tower: false };
const WITH_TOWER: Support = { mergesGateUp: true, tower: true };
const OWN_MLP_WITH_TOWER: Support = { mergesGateUp: false, tower: true };

/**
 * By config.json's model_type. mistral.rs itself goes by the class in `architectures`.
 * @source EricLBuehler/mistral.rs v0.9.2 mistralrs-core/src/pipeline/loaders/{normal,multimodal}_loaders.rs from_causal_lm_name
 */
const BY_MODEL_TYPE: Readonly<Record<string, Support>> = {
  llama: MERGED,
  mistral: MERGED,
  mixtral: OWN_MLP,
  gemma: MERGED,
  gemma2: MERGED,
  phi: OWN_MLP,
  phi3: OWN_MLP,
  phimoe: OWN_MLP,
  qwen2: MERGED,
  qwen3: MERGED,
  qwen3_moe: MERGED,
  qwen3_next: MERGED,
  qwen3_5_text: MERGED,
  starcoder2: OWN_MLP,
  deepseek_v2: MERGED,
  deepseek_v3: MERGED,
  kimi_k2: MERGED,
  glm4: MERGED,
  glm4_moe: MERGED,
  glm4_moe_lite: MERGED,
  smollm3: MERGED,
  granitemoehybrid: OWN_MLP,
  gpt_oss: OWN_MLP,
  hunyuan_v1_dense: MERGED,
  hunyuan_v1_moe: OWN_MLP,
  lfm2: MERGED,
  lfm2_moe: MERGED,
  phi3_v: OWN_MLP_WITH_TOWER,
  phi4mm: OWN_MLP_WITH_TOWER,
  llava: OWN_MLP_WITH_TOWER,
  llava_next: OWN_MLP_WITH_TOWER,
  mllama: OWN_MLP_WITH_TOWER,
  idefics2: OWN_MLP_WITH_TOWER,
  idefics3: WITH_TOWER,
  lfm2_vl: WITH_TOWER,
  qwen2_vl: WITH_TOWER,
  qwen2_5_vl: WITH_TOWER,
  qwen3_vl: WITH_TOWER,
  qwen3_vl_moe: WITH_TOWER,
  qwen3_5: WITH_TOWER,
  qwen3_5_moe: WITH_TOWER,
  gemma3: WITH_TOWER,
  gemma3_text: MERGED,
  gemma3n: WITH_TOWER,
  gemma4: WITH_TOWER,
  gemma4_text: MERGED,
  mistral3: WITH_TOWER,
  llama4: WITH_TOWER,
};

/**
 * By general.architecture of a GGUF file. Those with a tower want its projector as a file of its own.
 * @source EricLBuehler/mistral.rs v0.9.2 mistralrs-core/src/gguf/{normal_registry,gemma3_bindings,llama4_bindings,…}.rs
 */
const BY_ARCHITECTURE: Readonly<Record<string, Support>> = {
  llama: MERGED,
  mistral3: MERGED,
  gemma: MERGED,
  gemma2: MERGED,
  phi2: OWN_MLP,
  phi3: OWN_MLP,
  phimoe: OWN_MLP,
  qwen2: MERGED,
  qwen3: MERGED,
  qwen3moe: MERGED,
  qwen3next: MERGED,
  qwen35: MERGED,
  qwen35moe: MERGED,
  starcoder2: OWN_MLP,
  deepseek2: MERGED,
  glm4: MERGED,
  glm4moe: MERGED,
  smollm3: MERGED,
  granite: OWN_MLP,
  granitemoe: OWN_MLP,
  granitehybrid: OWN_MLP,
  "gpt-oss": OWN_MLP,
  "hunyuan-dense": MERGED,
  "hunyuan-moe": OWN_MLP,
  lfm2: MERGED,
  lfm2moe: MERGED,
  gemma3: WITH_TOWER,
  gemma3n: WITH_TOWER,
  llama4: WITH_TOWER,
  qwen2vl: WITH_TOWER,
  qwen3vl: WITH_TOWER,
};

/** null: this version does not load it. */
export function supportOf({ modelType, architecture }: ModelSpec): Support | null {
  const table = modelType === null ? BY_ARCHITECTURE : BY_MODEL_TYPE;
  const name = modelType ?? architecture;
  return Object.hasOwn(table, name) ? (table[name] ?? null) : null;
}
