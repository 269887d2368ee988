import type { ModelSpec } from "../../model.ts";

/** mlx-lm 0.32.2 with mlx 0.32.4, from PyPI; every @source of this folder is of these two. */
export const MLX_VERSIONS = ["0.32.2"] as const;

/**
 * The files of mlx_lm/models that are models: config.json's model_type is looked for among them.
 * @source mlx-lm 0.32.2 mlx_lm/utils.py _get_classes; tests/math/runtime/mlx compares the list with the package
 */
export const MODULES: ReadonlySet<string> = new Set(
  `Klear afm7 afmoe apertus baichuan_m1 bailing_hybrid bailing_moe bailing_moe_linear bailing_moe_v3 bitnet cohere cohere2
  dbrx deepseek deepseek_v2 deepseek_v3 deepseek_v32 deepseek_v41 dots1 ernie4_5 ernie4_5_moe exaone exaone4 exaone_moe
  falcon_h1 gear gemma gemma2 gemma3 gemma3_text gemma3n gemma4 gemma4_text glm glm4 glm4_moe glm4_moe_lite glm_moe_dsa
  gpt2 gpt_bigcode gpt_neox gpt_oss gptj granite granitemoe granitemoehybrid helium hunyuan hunyuan_v1_dense internlm2
  internlm3 iquestloopcoder jamba kimi_k25 kimi_k3 kimi_linear kimi_vl laguna lfm2 lfm2-vl lfm2_moe lille-130m llama llama4
  llama4_text longcat_flash longcat_flash_ngram mamba mamba2 mellum mimo mimo_v2_flash minicpm minicpm3 minimax
  minimax_m3_vl ministral3 mistral3 mistral4 mixtral muse_glimmer muse_spark nanbeige nanochat nemotron nemotron-nas
  nemotron_h olmo olmo2 olmo3 olmo_hybrid olmoe openelm phi phi3 phi3small phimoe phixtral pixtral plamo plamo2 plamo3
  prism_hadamard_qwen35 qwen qwen2 qwen2_moe qwen2_vl qwen3 qwen3_5 qwen3_5_moe qwen3_moe qwen3_next qwen3_vl qwen3_vl_moe
  recurrent_gemma rwkv7 seed_oss smollm3 solar_open spark2_5 stablelm starcoder2 step3p5 talkie telechat3 youtu_llm`
    .trim()
    .split(/\s+/),
);

/** @source mlx-lm 0.32.2 mlx_lm/utils.py MODEL_REMAPPING */
export const REMAPPED: ReadonlyMap<string, string> = new Map([
  ["mistral", "llama"],
  ["llava", "mistral3"],
  ["phi-msft", "phixtral"],
  ["falcon_mamba", "mamba"],
  ["joyai_llm_flash", "deepseek_v3"],
  ["kimi_k2", "deepseek_v3"],
  ["qwen2_5_vl", "qwen2_vl"],
  ["minimax_m2", "minimax"],
  ["iquestcoder", "llama"],
  ["xverse", "llama"],
  ["gemma4_unified", "gemma4"],
  ["deepseek_v41_text", "deepseek_v41"],
]);

/** GGUF architectures whose name is not that of the module with the underscores left out. */
const OF_GGUF: ReadonlyMap<string, string> = new Map([
  ["command-r", "cohere"],
  ["gemma3", "gemma3_text"],
  ["gemma4", "gemma4_text"],
  ["phi2", "phi"],
  ["bailingmoe2", "bailing_moe"],
  ["ernie4_5-moe", "ernie4_5_moe"],
  ["hunyuan-moe", "hunyuan"],
  ["hunyuan-dense", "hunyuan_v1_dense"],
  ["deci", "nemotron-nas"],
  ["granitehybrid", "granitemoehybrid"],
  ["minimax-m2", "minimax"],
  ["longcat-flash", "longcat_flash"],
]);
const BY_BARE_NAME = new Map([...MODULES].map((name) => [bare(name), name] as const));

function bare(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]/g, "");
}

/**
 * The module of mlx-lm that runs a model; null: there is none. By config.json's model_type, as mlx-lm does it; a model
 * read from a GGUF file has none, and is taken for what its architecture was converted from.
 */
export function moduleOf(model: ModelSpec): string | null {
  const { modelType, architecture } = model;
  if (modelType !== null) {
    const name = REMAPPED.get(modelType) ?? modelType;
    return MODULES.has(name) ? name : null;
  }
  const routed = model.layers.some((layer) => layer.feedForward.kind === "moe");
  if (architecture === "llama" && routed) return "mixtral";
  // The one architecture that llama.cpp has for both: only the later one routes with a bias.
  if (architecture === "deepseek2") {
    const biased = model.layers.some(({ tensors }) => tensors.some(({ name }) => name.includes("exp_probs_b")));
    return biased ? "deepseek_v3" : "deepseek_v2";
  }
  return OF_GGUF.get(architecture) ?? BY_BARE_NAME.get(bare(architecture)) ?? null;
}
