/** The table of architectures, and the two ways in. */
import type { SpecResult } from "../model.ts";
import { afmoe } from "./afmoe.ts";
import { apertus } from "./apertus.ts";
import { arcee } from "./arcee.ts";
import { baichuan } from "./baichuan.ts";
import { bailingMoe } from "./bailing-moe.ts";
import { bailingMoe2 } from "./bailing-moe2.ts";
import { bert } from "./bert.ts";
import { bitnet } from "./bitnet.ts";
import { bloom } from "./bloom.ts";
import { chatglm } from "./chatglm.ts";
import { codeshell } from "./codeshell.ts";
import { cohere2 } from "./cohere2.ts";
import { commandR } from "./command-r.ts";
import { dbrx } from "./dbrx.ts";
import { deci } from "./deci.ts";
import { deepseek } from "./deepseek.ts";
import { deepseekMoe } from "./deepseek-moe.ts";
import { deepseekOcr } from "./deepseek-ocr.ts";
import { dots1 } from "./dots1.ts";
import { ernie } from "./ernie.ts";
import { ernieMoe } from "./ernie-moe.ts";
import { exaone } from "./exaone.ts";
import { exaoneMoe } from "./exaone-moe.ts";
import { exaone4 } from "./exaone4.ts";
import { falcon } from "./falcon.ts";
import { falconH1 } from "./falcon-h1.ts";
import type { FamilyId } from "./families.ts";
import type { ArchFamily, GgufHeader, RawConfig } from "./family.ts";
import { isRecord, quote } from "./fields.ts";
import { gemma } from "./gemma.ts";
import { gemma2 } from "./gemma2.ts";
import { gemma3 } from "./gemma3.ts";
import { gemma4 } from "./gemma4.ts";
import { glm4 } from "./glm4.ts";
import { glm4Moe } from "./glm4-moe.ts";
import { gptNeox } from "./gpt-neox.ts";
import { gptOss } from "./gpt-oss.ts";
import { gpt2 } from "./gpt2.ts";
import { granite } from "./granite.ts";
import { graniteHybrid } from "./granite-hybrid.ts";
import { graniteMoe } from "./granite-moe.ts";
import { hunyuanDense } from "./hunyuan-dense.ts";
import { hunyuanMoe } from "./hunyuan-moe.ts";
import { internlm2 } from "./internlm2.ts";
import { jamba } from "./jamba.ts";
import { kimiLinear } from "./kimi-linear.ts";
import { lfm2 } from "./lfm2.ts";
import { llama } from "./llama.ts";
import { llama4 } from "./llama4.ts";
import { mamba1 } from "./mamba1.ts";
import { mamba2 } from "./mamba2.ts";
import { mimo2 } from "./mimo2.ts";
import { minicpm } from "./minicpm.ts";
import { minicpm3 } from "./minicpm3.ts";
import { minimax01 } from "./minimax-01.ts";
import { minimaxM2 } from "./minimax-m2.ts";
import { minimaxM3 } from "./minimax-m3.ts";
import { mpt } from "./mpt.ts";
import { nemotron } from "./nemotron.ts";
import { nemotronH } from "./nemotron-h.ts";
import { olmo } from "./olmo.ts";
import { olmo2 } from "./olmo2.ts";
import { olmoe } from "./olmoe.ts";
import { orion } from "./orion.ts";
import { phi2 } from "./phi2.ts";
import { phi3 } from "./phi3.ts";
import { phimoe } from "./phimoe.ts";
import { plamo } from "./plamo.ts";
import { plamo2 } from "./plamo2.ts";
import { qwen } from "./qwen.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen2Moe } from "./qwen2-moe.ts";
import { qwen2Vl } from "./qwen2-vl.ts";
import { qwen3 } from "./qwen3.ts";
import { qwen3Moe } from "./qwen3-moe.ts";
import { qwen3Next } from "./qwen3-next.ts";
import { qwen3Vl } from "./qwen3-vl.ts";
import { qwen3VlMoe } from "./qwen3-vl-moe.ts";
import { qwen35 } from "./qwen35.ts";
import { refact } from "./refact.ts";
import { rwkv6, rwkv6Qwen2 } from "./rwkv6.ts";
import { arwkv7, rwkv7 } from "./rwkv7.ts";
import { seedOss } from "./seed-oss.ts";
import { smallthinker } from "./smallthinker.ts";
import { smollm3 } from "./smollm3.ts";
import { stablelm } from "./stablelm.ts";
import { starcoder } from "./starcoder.ts";
import { starcoder2 } from "./starcoder2.ts";
import { step35 } from "./step35.ts";
import { textConfig } from "./text-config.ts";
import { xverse } from "./xverse.ts";

export const ARCHITECTURES = {
  llama,
  qwen2,
  "qwen2-moe": qwen2Moe,
  qwen3,
  "qwen3-moe": qwen3Moe,
  "qwen3-next": qwen3Next,
  "qwen3.5": qwen35,
  gemma2,
  gemma3,
  phi3,
  deepseek,
  "gpt-oss": gptOss,
  glm4,
  "command-r": commandR,
  "falcon-h1": falconH1,
  mamba2,
  mamba: mamba1,
  jamba,
  "nemotron-h": nemotronH,
  "granite-hybrid": graniteHybrid,
  "kimi-linear": kimiLinear,
  rwkv6,
  "rwkv6-qwen2": rwkv6Qwen2,
  rwkv7,
  arwkv7,
  bert,
  lfm2,
  plamo2,
  "deepseek-moe": deepseekMoe,
  olmoe,
  phimoe,
  dbrx,
  dots1,
  "glm4-moe": glm4Moe,
  "minimax-m2": minimaxM2,
  "hunyuan-moe": hunyuanMoe,
  "bailing-moe": bailingMoe,
  "bailing-moe2": bailingMoe2,
  "ernie4.5-moe": ernieMoe,
  "granite-moe": graniteMoe,
  gemma,
  deci,
  gemma4,
  phi2,
  olmo,
  olmo2,
  granite,
  cohere2,
  exaone,
  exaone4,
  smollm3,
  internlm2,
  minicpm,
  baichuan,
  chatglm,
  starcoder,
  starcoder2,
  falcon,
  mpt,
  gpt2,
  "gpt-neox": gptNeox,
  bloom,
  codeshell,
  stablelm,
  "ernie4.5": ernie,
  nemotron,
  qwen,
  "qwen2-vl": qwen2Vl,
  "qwen3-vl": qwen3Vl,
  orion,
  xverse,
  "seed-oss": seedOss,
  arcee,
  apertus,
  "hunyuan-dense": hunyuanDense,
  plamo,
  bitnet,
  refact,
  llama4,
  mimo2,
  afmoe,
  smallthinker,
  minicpm3,
  "minimax-m3": minimaxM3,
  "exaone-moe": exaoneMoe,
  "step3.5": step35,
  "minimax-01": minimax01,
  "qwen3-vl-moe": qwen3VlMoe,
  "deepseek-ocr": deepseekOcr,
} as const satisfies Record<FamilyId, ArchFamily>;

const ALL: readonly ArchFamily[] = Object.values(ARCHITECTURES);
const BY_MODEL_TYPE = new Map(ALL.flatMap((family) => family.modelTypes.map((name) => [name, family] as const)));
const BY_GGUF = new Map(ALL.flatMap((family) => family.ggufArchitectures.map((name) => [name, family] as const)));

/**
 * From a parsed config.json. A multimodal wrapper keeps its text model in `text_config`, whose fields stand before the
 * outer ones; its vision or audio tower is another file for llama.cpp and is not counted.
 */
export function specFromConfig(config: RawConfig): SpecResult {
  const text = textConfig(config);
  if (text !== null) {
    const result = fromModelType({ ...config, ...text });
    if (result.status !== "ok") return result;
    const note = "Only the text model is counted: a vision or audio tower is a file of its own.";
    return { ...withModelType(result, config), warnings: [...result.warnings, note] };
  }
  return withModelType(fromModelType(config), config);
}

function withModelType<R extends SpecResult>(result: R, config: RawConfig): R {
  if (result.status !== "ok" || typeof config.model_type !== "string") return result;
  const text = isRecord(config.text_config) ? config.text_config : config;
  // qwen3.5, nemotron-h
  const wide = text.mamba_ssm_dtype === "float32" || text.mamba_ssm_cache_dtype === "float32";
  return {
    ...result,
    spec: { ...result.spec, modelType: config.model_type, ...(wide && { stateType: "F32" as const }) },
  };
}

function fromModelType(config: RawConfig): SpecResult {
  const modelType = Object.hasOwn(config, "model_type") ? config.model_type : null;
  if (typeof modelType !== "string") {
    const reason = "Cannot read config.json: model_type is missing, so the architecture is not known";
    return { status: "unknown", architecture: null, reason, missing: ["model_type"] };
  }
  return BY_MODEL_TYPE.get(modelType)?.fromConfig(config) ?? unfamiliar("model_type", modelType);
}

/** From a GGUF header: the metadata says the geometry, the tensor list, where there is one, the weights. */
export function specFromGguf(header: GgufHeader): SpecResult {
  return BY_GGUF.get(header.architecture)?.fromGguf(header) ?? unfamiliar("general.architecture", header.architecture);
}

/** What stands in the way, of those that people ask for. */
const BUILT_OTHERWISE: ReadonlyMap<string, string> = new Map([
  ["gemma3n_text", "four streams side by side, whose buffers are not worked out yet"],
  ["gemma3n", "four streams side by side, whose buffers are not worked out yet"],
  ["mllama_text_model", "layers of cross-attention to an image, which llama.cpp does not load"],
  ["molmo", "llama.cpp does not load it"],
  ["phi3small", "block-sparse attention, which llama.cpp does not load"],
  ["yuan", "a convolution before each attention, which llama.cpp does not load"],
  ["gptj", "llama.cpp names it and has no graph of it"],
  ["opt", "llama.cpp does not load it"],
  ["minicpmv", "the config does not say which of several text models is inside"],
  ["deepseek_v4", "caches of 4 and of 128 positions made into one, beside the window's, are not worked out yet"],
  ["deepseek_ref", "caches of 4 and of 128 positions made into one, beside the window's, are not worked out yet"],
  ["deepseek4", "caches of 4 and of 128 positions made into one, beside the window's, are not worked out yet"],
  ["step3p7", "the config does not say how many heads the layers with a window have, as step 3.5's does"],
  ["longcat_flash", "two attentions a layer, and experts that compute nothing, which llama.cpp does not load"],
]);

function unfamiliar(field: string, name: string): SpecResult {
  const quoted = quote(name);
  const why = BUILT_OTHERWISE.get(name);
  const reason = `hwLedger does not know the architecture ${quoted} (${field}) yet${why === undefined ? "" : `: ${why}`}`;
  return { status: "unknown", architecture: quoted.slice(1, -1), reason, missing: [] };
}
