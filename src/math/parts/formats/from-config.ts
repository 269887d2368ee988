/** config.json and a model's geometry → how the repository's own weights are stored. */

import type { RawConfig } from "../../arch/family.ts";
import { layerOf } from "../../arch/roles.ts";
import type { ModelSpec, TensorSpec } from "../../model.ts";
import type { Checkpoint, FloatName } from "./checkpoint.ts";
import { isPlainRouter } from "./mlx.ts";
import { moduleNames } from "./module-names.ts";
import { type Block, blockOf, type Rules, UnknownQuantization } from "./quantization.ts";
import { compressedRules } from "./quantization-ct.ts";
import { fbgemmRules, fp8Rules, modeloptRules } from "./quantization-float.ts";
import { mlxRules } from "./quantization-mlx.ts";
import { awqRules, bitsandbytesRules, exl3Rules, gptqRules, mxfp4Rules } from "./quantization-packed.ts";
import { matricesOf, type Scheme } from "./scheme.ts";
import { tensorKind } from "./tensor-kind.ts";

const METHODS: Readonly<Record<string, (block: Block) => Rules>> = {
  gptq: gptqRules,
  awq: awqRules,
  bitsandbytes: bitsandbytesRules,
  exl3: exl3Rules,
  mxfp4: mxfp4Rules,
  fp8: fp8Rules,
  fbgemm_fp8: fbgemmRules,
  modelopt: modeloptRules,
  modelopt_fp4: modeloptRules,
  "compressed-tensors": compressedRules,
};

const FLOATS: ReadonlyMap<unknown, FloatName> = new Map([
  ["float32", "f32"],
  ["float16", "f16"],
  ["bfloat16", "bf16"],
]);

/** What is taken where config.json names no type: what most are published in. */
const UNSAID: FloatName = "bf16";

type CheckpointRead = Checkpoint["format"];

export function readCheckpointFormat(config: RawConfig, spec: ModelSpec): CheckpointRead {
  const float = floatOf(config);
  try {
    const rules = rulesOf(config);
    if (rules === null) {
      return { status: "ok", id: float, method: "plain", float, schemes: [], layers: {}, outside: {} };
    }
    return { status: "ok", id: rules.id, method: rules.method, float, ...resolved(rules, spec) };
  } catch (error) {
    if (!(error instanceof UnknownQuantization)) throw error;
    return {
      status: "unknown",
      reason: `config.json's ${error.message}`,
      missing: [error.field],
    };
  }
}

function floatOf(config: RawConfig): FloatName {
  const text = blockOf(config.text_config) ?? {};
  const said = text.torch_dtype ?? text.dtype ?? config.torch_dtype ?? config.dtype;
  return FLOATS.get(typeof said === "string" ? said.replace(/^torch\./, "") : said) ?? UNSAID;
}

function rulesOf(config: RawConfig): Rules | null {
  const mlx = blockOf(config.quantization);
  if (mlx !== null && "bits" in mlx) return mlxRules(mlx);
  const text = blockOf(config.text_config) ?? {};
  const block = blockOf(config.quantization_config) ?? blockOf(text.quantization_config);
  if (block === null) return null;
  const said = block.quant_method;
  if (said == null) {
    if ("quant_algo" in block || "producer" in block) return modeloptRules(block);
    if ("config_groups" in block) return compressedRules(block);
    if ("bits" in block && "group_size" in block) return mlxRules(block);
  }
  // modelopt says "fp8" of what it left to DeepSeek's own code.
  const method = typeof said === "string" ? said.toLowerCase() : "";
  const read = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  if (read === undefined) throw new UnknownQuantization("quantization_config.quant_method", said ?? null);
  return read(block);
}

const A = 97;
/** Letters from "a" on; a config with more layouts than that is none of any tool's. */
const MOST_SCHEMES = 26;

/** The rules asked about every matrix once. */
function resolved(rules: Rules, spec: ModelSpec) {
  const schemes: Scheme[] = [];
  const places = new Map<string, number>();
  const letterOf = (tensor: TensorSpec): string | null => {
    const kind = tensorKind(tensor);
    if (kind === "vector" || kind === "gguf-only") return null;
    const scheme = rules.schemeOf({
      names: moduleNames(tensor),
      kind,
      inSize: matricesOf(tensor).inSize,
      plainRouter: isPlainRouter(tensor, spec),
    });
    if (scheme === null) return null;
    const key = JSON.stringify(scheme);
    let place = places.get(key);
    if (place === undefined) {
      place = schemes.length;
      if (place === MOST_SCHEMES) throw new UnknownQuantization("quantization_config", "more layouts than there are");
      schemes.push(scheme);
      places.set(key, place);
    }
    return String.fromCharCode(A + place);
  };
  const blocks = [...spec.layers, ...spec.mtpLayers];
  const rows = new Map<string, string[]>();
  for (const { tensors } of blocks) {
    for (const tensor of tensors) {
      const layer = layerOf(tensor.name);
      const letter = letterOf(tensor);
      if (layer === null || letter === null) continue;
      const name = tensor.name.slice(tensor.name.indexOf(".", 4) + 1);
      const row = rows.get(name) ?? Array.from({ length: blocks.length }, () => "-");
      row[layer] = letter;
      rows.set(name, row);
    }
  }
  const outside: Record<string, string> = {};
  for (const tensor of spec.outside) {
    const letter = letterOf(tensor);
    if (letter !== null) outside[tensor.name] = letter;
  }
  return {
    schemes,
    layers: Object.fromEntries([...rows].map(([name, row]) => [name, row.join("")])),
    outside,
  };
}
