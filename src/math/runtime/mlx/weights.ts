/** Weights as mlx-lm has them: those of the repository in 16 or 32 bits, or what mlx_lm.convert -q makes of them. */
import type { ModelSpec } from "../../model.ts";
import type { Checkpoint } from "../../parts/formats/checkpoint.ts";
import {
  sizesOf as checkpointSizes,
  type FormatSizes,
  sizeFormat,
  type WeightFormat,
} from "../../parts/formats/index.ts";
import { EXACT, sizeWeights } from "../../parts/weights.ts";
import type { WeightsChoice } from "../../plan-input.ts";
import type { RuntimeWeights, TypedModel, WeightsSubject } from "../runtime.ts";
import { mlxFormat, nearestFormat } from "./format.ts";
import { moduleOf } from "./modules.ts";

/** What a person chooses from, smallest first. mlx_lm.convert takes other groups as well: mlx-4bit-g32, mlx-4bit-g128. */
const OFFERED = [
  "mlx-2bit-g64",
  "mlx-3bit-g64",
  "mlx-mxfp4",
  "mlx-4bit-g64",
  "mlx-5bit-g64",
  "mlx-6bit-g64",
  "mlx-8bit-g64",
  "bf16",
];

/** @throws {RangeError} when the model's weights are not chosen, or not by these names */
export function sizesOf(model: ModelSpec): FormatSizes {
  if (model.weights?.checkpoint != null) return checkpointSizes(model);
  const format = model.weights === null ? null : mlxFormat(model.weights.name, moduleOf(model) ?? "");
  if (format === null) throw new RangeError(`Cannot size weights "${model.weights?.name ?? "not chosen"}": not MLX's`);
  return sizeFormat(model, format);
}

const typed = new WeakMap<ModelSpec, WeakMap<WeightFormat, TypedModel>>();

function typeAs(spec: ModelSpec, name: string): TypedModel {
  const format = mlxFormat(name, moduleOf(spec) ?? "");
  if (format === null) return notMlx(name);
  let ofSpec = typed.get(spec);
  if (ofSpec === undefined) {
    ofSpec = new WeakMap();
    typed.set(spec, ofSpec);
  }
  let answer = ofSpec.get(format);
  if (answer === undefined) {
    answer = { status: "ok", spec: { ...spec, weights: { name: format.id, basis: format.basis } } };
    ofSpec.set(format, answer);
  }
  return answer;
}

function notMlx(name: string): TypedModel {
  return {
    status: "error",
    message: `Cannot plan with weights "${name}": mlx-lm loads no such format`,
    hint: `take one of ${OFFERED.toReversed().join(", ")}, as mlx_lm.convert makes them`,
  };
}

/** Modules that make 16 bits of FP8 weights while they load. @source mlx-lm 0.32.2 mlx_lm/models sanitize */
const EXPANDS_FP8: ReadonlySet<string> = new Set(
  "deepseek_v3 deepseek_v32 glm_moe_dsa mimo_v2_flash minimax ministral3 mistral3 mistral4 qwen3_5 qwen3_5_moe".split(
    " ",
  ),
);

/**
 * The weights that the model comes with. MLX's own formats are loaded as they are, as gpt-oss's MXFP4; FP8 by some modules
 * as BF16. A GGUF file is not read: the format of MLX's that is nearest to it.
 */
function ownWeights(spec: ModelSpec, { published, checkpoint }: WeightsSubject): TypedModel {
  if (spec.tensorSource === "file") return typeAs(spec, nearestFormat(sizeWeights(spec, EXACT).total, spec));
  if (checkpoint == null) {
    const name = (published ?? "bf16").toLowerCase();
    return typeAs(spec, name === "mxfp4_moe" ? "mxfp4" : name);
  }
  const { format } = checkpoint;
  if (format.status === "unknown") return format;
  switch (format.method) {
    case "plain":
    case "mxfp4":
      return typeAs(spec, format.id);
    case "mlx":
      return typeAsRead(spec, format.id, checkpoint);
    case "fp8":
    case "fp8-block":
      return EXPANDS_FP8.has(moduleOf(spec) ?? "") ? typeAs(spec, "bf16") : notMlx(format.id);
    default:
      return notMlx(format.id);
  }
}

const read = new WeakMap<ModelSpec, WeakMap<Checkpoint, TypedModel>>();

/** Weights of MLX's own that a repository has: as its table of tensors says, else as its config.json does. */
function typeAsRead(spec: ModelSpec, name: string, checkpoint: Checkpoint): TypedModel {
  let ofSpec = read.get(spec);
  if (ofSpec === undefined) {
    ofSpec = new WeakMap();
    read.set(spec, ofSpec);
  }
  let answer = ofSpec.get(checkpoint);
  if (answer === undefined) {
    const basis = checkpoint.table === null ? "modelled" : "exact";
    answer = { status: "ok", spec: { ...spec, weights: { name, basis, checkpoint } } };
    ofSpec.set(checkpoint, answer);
  }
  return answer;
}

const offers = new WeakMap<ModelSpec, readonly WeightsChoice[]>();

function offered(spec: ModelSpec): readonly WeightsChoice[] {
  let list = offers.get(spec);
  if (list === undefined) {
    const module = moduleOf(spec) ?? "";
    list = OFFERED.flatMap((name) => {
      const format = mlxFormat(name, module);
      return format === null ? [] : [{ name, bytes: sizeFormat(spec, format).total }];
    });
    offers.set(spec, list);
  }
  return list;
}

export const MLX_WEIGHTS: RuntimeWeights = {
  readsSafetensors: true,
  typeWeights(spec, name, subject) {
    const asked = name?.trim().toLowerCase() ?? null;
    const format = subject.checkpoint?.format;
    const own = asked === null || (format?.status === "ok" && format.id === asked);
    return own ? ownWeights(spec, subject) : typeAs(spec, asked);
  },
  weightsChoices: offered,
  weightsBytes: (model) => sizesOf(model).total,
  // What a conversion to GGUF would change is nothing to mlx-lm.
  weightsWarnings: () => [],
};
