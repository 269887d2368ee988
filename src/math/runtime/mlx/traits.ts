/** What single modules of mlx-lm do otherwise than their layers would say. @source mlx-lm 0.32.2 mlx_lm/models */

const names = (list: string): ReadonlySet<string> => new Set(list.split(" "));

/** Keys and values of latent attention are kept as every head sees them, not compressed. */
const DECOMPRESSED = names("deepseek_v2 minicpm3 youtu_llm");

/** Layers with a window keep every token all the same: a plain KVCache, the window in the mask or nowhere. */
const WINDOWS_IGNORED = names(
  "gemma2 minicpm mixtral phi3 phi3small phimoe plamo2 qwen2 qwen2_moe qwen2_vl qwen3 qwen3_moe qwen3_vl starcoder2",
);

/** The router's correction bias stays in F32 (cast_predicate). */
const BIAS_IN_F32 = names(
  "Klear afmoe bailing_hybrid bailing_moe bailing_moe_linear deepseek_v3 deepseek_v32 exaone_moe glm4_moe glm4_moe_lite glm_moe_dsa kimi_k25 kimi_k3 kimi_linear kimi_vl laguna lfm2_moe longcat_flash longcat_flash_ngram mimo_v2_flash minimax minimax_m3_vl nemotron_h step3p5",
);

/** The decay of a state stays in F32, in the last two its step's bias as well. */
const DECAY_IN_F32 = names("nemotron_h qwen3_5 qwen3_5_moe kimi_k3 kimi_linear");
const STEP_BIAS_IN_F32 = names("kimi_k3 kimi_linear");

/** The convolution's past is a view of its input, which is kept whole until the next step. */
const KEEPS_CONV_INPUT = names("falcon_h1 granitemoehybrid lfm2 lfm2_moe mamba2 nemotron_h plamo2");

export interface MlxTraits {
  readonly decompressedLatent: boolean;
  readonly ignoresWindows: boolean;
  readonly biasInF32: boolean;
  readonly decayInF32: boolean;
  readonly stepBiasInF32: boolean;
  readonly keepsConvInput: boolean;
  /** Attention sinks, which attention over a quantized cache does not take. */
  readonly sinks: boolean;
  /** An indexer's keys are kept once; else as keys and once more as values. */
  readonly sideOnce: boolean;
}

const known = new Map<string, MlxTraits>();

export function traitsOf(module: string): MlxTraits {
  let traits = known.get(module);
  if (traits === undefined) {
    traits = {
      decompressedLatent: DECOMPRESSED.has(module),
      ignoresWindows: WINDOWS_IGNORED.has(module),
      biasInF32: BIAS_IN_F32.has(module),
      decayInF32: DECAY_IN_F32.has(module),
      stepBiasInF32: STEP_BIAS_IN_F32.has(module),
      keepsConvInput: KEEPS_CONV_INPUT.has(module),
      sinks: module === "gpt_oss" || module === "mimo_v2_flash",
      sideOnce: module === "minimax_m3_vl",
    };
    known.set(module, traits);
  }
  return traits;
}
