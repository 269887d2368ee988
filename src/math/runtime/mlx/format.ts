/** Bytes of a tensor as mlx-lm holds it: the format's rule, and what a module keeps in F32. */
import type { LayerSpec, ModelSpec } from "../../model.ts";
import { parseFormat, type WeightFormat } from "../../parts/formats/index.ts";
import { elementsOf } from "../../parts/formats/recipe.ts";
import { type MlxTraits, traitsOf } from "./traits.ts";

const STATE_DECAY = /\.ssm_a$/;
const STEP_BIAS = /\.ssm_dt\.bias$/;

function staysInF32(name: string, traits: MlxTraits): boolean {
  return (
    (traits.biasInF32 && name.includes("exp_probs_b")) ||
    (traits.decayInF32 && STATE_DECAY.test(name)) ||
    (traits.stepBiasInF32 && STEP_BIAS.test(name))
  );
}

/**
 * The half of latent attention's kv_b that makes keys: a matrix of its own with heads of nope elements as its rows, by
 * which it is packed or not. @source mlx-lm 0.32.2 mlx_lm/models/mla.py MultiLinear, deepseek_v3.py embed_q
 */
const KEYS_UP = /\.attn_k_b\.weight$/;

/** Elements of a group: "mlx-4bit-g128" says it, the floating modes have their own. */
function groupOf(id: string): number {
  if (id === "mlx-nvfp4") return 16;
  return id.startsWith("mlx-mx") ? 32 : Number(/-g(\d+)$/.exec(id)?.[1] ?? 64);
}

/** MXFP4 of a repository's own is gpt-oss's, experts alone. */
function loads({ method }: WeightFormat, module: string): boolean {
  return method === "plain" || method === "mlx" || (method === "mxfp4" && module === "gpt_oss");
}

/** By module; what is made of a format goes with it. */
const made = new WeakMap<WeightFormat, Map<string, WeightFormat>>();

/**
 * What a module's tensors take in a format; the same object for the same two, so that sizes are kept. null: mlx-lm has no
 * such format. exact: parameter bytes are those of mlx-lm's own modules (tests/math/runtime/mlx).
 */
export function mlxFormat(name: string, module: string): WeightFormat | null {
  const base = parseFormat(name);
  if (base === null || !loads(base, module)) return null;
  let ofBase = made.get(base);
  if (ofBase === undefined) {
    ofBase = new Map();
    made.set(base, ofBase);
  }
  let format = ofBase.get(module);
  if (format === undefined) {
    const traits = traitsOf(module);
    format = {
      ...base,
      basis: "exact",
      bytes: (tensor, { model, layer }) => {
        if (staysInF32(tensor.name, traits)) return 4 * elementsOf(tensor);
        if (base.method === "mlx" && !traits.decompressedLatent && KEYS_UP.test(tensor.name)) {
          if ((tensor.shape[0] ?? 0) % groupOf(base.id) !== 0) return 2 * elementsOf(tensor);
        }
        return base.bytes(tensor, { model: asModule(model, module), layer });
      },
    };
    ofBase.set(module, format);
  }
  return format;
}

const renamed = new WeakMap<ModelSpec, ModelSpec>();

/** The model under its module's name, which the format's rules ask for: a GGUF file's has none, some are mapped to another. */
function asModule(model: ModelSpec, module: string): ModelSpec {
  if (model.modelType === module) return model;
  let known = renamed.get(model);
  if (known === undefined) {
    known = { ...model, modelType: module };
    renamed.set(model, known);
  }
  return known;
}

/** Bytes of an activation, and of a cache's element: mlx-lm computes in the type of the weights that are not packed. */
export function elementBytesOf(name: string): number {
  return name === "f32" ? 4 : 2;
}

/** The format of MLX's that is nearest to what a model's tensors take now, by bits an element. */
export function nearestFormat(bytes: number, { layers, outside }: ModelSpec): string {
  const count = (tensors: LayerSpec["tensors"]): number => tensors.reduce((sum, tensor) => sum + elementsOf(tensor), 0);
  const elements = layers.reduce((sum, { tensors }) => sum + count(tensors), count(outside));
  const bits = (8 * bytes) / Math.max(1, elements);
  if (bits > 12) return "bf16";
  const offered = [2, 3, 4, 5, 6, 8];
  const nearest = offered.reduce((best, n) => (Math.abs(n + 0.5 - bits) < Math.abs(best + 0.5 - bits) ? n : best), 8);
  return `mlx-${nearest}bit-g64`;
}
