/**
 * mlx-lm's quantisation: every linear layer, expert and embedding whose rows are a multiple of the group; models keep some
 * of their small matrices at 8 bits.
 * @source mlx-lm 0.32.2 mlx_lm/utils.py quantize_model, convert.py mixed_quant_predicate_builder, models/*.py quant_predicate
 */
import type { ModelSpec, TensorSpec } from "../../model.ts";
import type { TensorPlace, WeightFormat } from "./format.ts";
import { formatOfRecipe } from "./recipe.ts";
import { matricesOf, type Scheme } from "./scheme.ts";
import { MLX_MODES, mlxAffine } from "./schemes.ts";

const EIGHT = mlxAffine(8, 64);
const ROUTER = /\.ffn_gate_inp\.weight$/;
const ROUTERS = /\.ffn_gate_inp(?:_shexp)?\.weight$/;
const GRANITE = /\.(?:attn_output|ffn_down|ffn_gate_inp)\.weight$|^output\.weight$/;

/** model_type → matrices that are kept at 8 bits, in groups of 64. */
const EIGHT_BITS: ReadonlyMap<string, RegExp> = new Map([
  ...[
    "Klear",
    "afmoe",
    "bailing_hybrid",
    "bailing_moe",
    "bailing_moe_linear",
    "gemma4",
    "gemma4_text",
    "gpt_oss",
    "granitemoehybrid",
    "jamba",
    "kimi_k3",
    "kimi_linear",
    "laguna",
    "lfm2_moe",
    "longcat_flash",
    "longcat_flash_ngram",
    "mellum",
    "minimax",
    "minimax_m2",
    "minimax_m3_vl",
    "qwen3_moe",
    "qwen3_vl_moe",
    "step3p5",
  ].map((type) => [type, ROUTER] as const),
  ...["qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"].map(
    (type) => [type, ROUTERS] as const,
  ),
  ["granite", GRANITE],
  ["granitemoe", GRANITE],
]);

/** model_type of models whose router is no linear layer for mlx-lm: it is not quantised. */
const PLAIN_ROUTERS: ReadonlySet<string> = new Set([
  "bailing_moe_v3",
  "deepseek",
  "deepseek_v2",
  "deepseek_v3",
  "deepseek_v32",
  "dots1",
  "kimi_k2",
  "kimi_k25",
  "kimi_vl",
  "glm_moe_dsa",
  "glm4_moe",
  "glm4_moe_lite",
  "exaone_moe",
  "mimo_v2_flash",
  "nemotron_h",
  "solar_open",
]);

export function isPlainRouter({ name }: TensorSpec, { modelType }: ModelSpec): boolean {
  return ROUTER.test(name) && PLAIN_ROUTERS.has(modelType ?? "");
}

interface MlxDetail {
  readonly low: Scheme;
  readonly high: Scheme;
  /** What decides whether a row fits, whichever layout it gets. */
  readonly group: number;
}

function schemesOf(detail: MlxDetail, tensor: TensorSpec, at: TensorPlace): readonly Scheme[] {
  if (matricesOf(tensor).inSize % detail.group !== 0) return [];
  const type = at.model.modelType ?? "";
  if (isPlainRouter(tensor, at.model)) return [];
  if (detail.low !== detail.high) return [isHigh(tensor, at) ? detail.high : detail.low];
  return EIGHT_BITS.get(type)?.test(tensor.name) ? [EIGHT] : [detail.low];
}

const HIGH = /\.(?:attn_v|attn_kv_a_mqa|ffn_down|ffn_down_exps|ffn_down_shexp)\.weight$/;
/** model_type → matrices with "v_proj" or "v_b_proj" in mlx-lm's name, though they hold more than values. */
const FUSED: ReadonlyMap<string, RegExp> = new Map([
  ["phi3", /\.attn_qkv\.weight$/],
  ["deepseek_v2", /\.attn_(?:kv|k|v)_b\.weight$/],
  ["minicpm3", /\.attn_(?:kv|k|v)_b\.weight$/],
]);

/** model_type → matrices that mlx-lm calls by another name than "down_proj". */
const LOW: ReadonlyMap<string, RegExp> = new Map([["nemotron_h", /\.ffn_down_exps\.weight$/]]);

/** Values and down projections of the first and last eighth of the layers and of every third between, and the head. */
function isHigh({ name }: TensorSpec, { model, layer }: TensorPlace): boolean {
  if (name === "output.weight") return true;
  const type = model.modelType ?? "";
  if (layer === null || !((HIGH.test(name) && !LOW.get(type)?.test(name)) || FUSED.get(type)?.test(name))) return false;
  const count = model.layers.length;
  const eighth = Math.floor(count / 8);
  const i = layer.index;
  return i < eighth || i >= Math.floor((7 * count) / 8) || (((i - eighth) % 3) + 3) % 3 === 2;
}

function mlx(id: string, detail: MlxDetail): WeightFormat {
  return formatOfRecipe({
    id,
    method: "mlx",
    basis: "modelled",
    floatBytes: 2,
    schemesOf: (_, tensor, at) => schemesOf(detail, tensor, at),
  });
}

const BITS: ReadonlySet<number> = new Set([2, 3, 4, 5, 6, 8]);
const GROUPS: ReadonlySet<number> = new Set([32, 64, 128]);
const RECIPES: ReadonlySet<string> = new Set(["2-6", "3-4", "3-6", "4-6"]);

/** "mlx-4bit", "mlx-6bit-g32", "mlx-mixed-4-6", "mlx-mxfp4", "mlx-nvfp4", "mlx-mxfp8". */
export function parseMlx(id: string): WeightFormat | null {
  if (id === "mlx-mxfp4" || id === "mlx-nvfp4" || id === "mlx-mxfp8") {
    const scheme = MLX_MODES[id === "mlx-mxfp4" ? "mxfp4" : id === "mlx-nvfp4" ? "nvfp4" : "mxfp8"];
    return mlx(id, { low: scheme, high: scheme, group: scheme.rowMultiple });
  }
  const affine = /^mlx-(\d)bit(?:-g(\d+))?$/.exec(id);
  if (affine !== null) {
    const [, bits, group = "64"] = affine;
    if (!BITS.has(Number(bits)) || !GROUPS.has(Number(group))) return null;
    const scheme = mlxAffine(Number(bits), Number(group));
    return mlx(id, { low: scheme, high: scheme, group: Number(group) });
  }
  const mixed = /^mlx-mixed-(\d)-(\d)$/.exec(id);
  if (mixed === null || !RECIPES.has(`${mixed[1]}-${mixed[2]}`)) return null;
  return mlx(id, { low: mlxAffine(Number(mixed[1]), 64), high: mlxAffine(Number(mixed[2]), 64), group: 64 });
}
