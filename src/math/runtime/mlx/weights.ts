/** Weights as mlx-lm has them: those of the repository in 16 or 32 bits, or what mlx_lm.convert -q makes of them. */
import type { ModelSpec } from "../../model.ts";
import { type FormatSizes, sizeFormat } from "../../parts/formats/index.ts";
import { EXACT, sizeWeights } from "../../parts/weights.ts";
import type { WeightsChoice } from "../../plan-input.ts";
import type { RuntimeWeights, TypedModel } from "../runtime.ts";
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
  const format = model.weights === null ? null : mlxFormat(model.weights.name, moduleOf(model) ?? "");
  if (format === null) throw new RangeError(`Cannot size weights "${model.weights?.name ?? "not chosen"}": not MLX's`);
  return sizeFormat(model, format);
}

const typed = new WeakMap<ModelSpec, Map<string, TypedModel>>();

function typeAs(spec: ModelSpec, name: string): TypedModel {
  let ofSpec = typed.get(spec);
  if (ofSpec === undefined) {
    ofSpec = new Map();
    typed.set(spec, ofSpec);
  }
  let answer = ofSpec.get(name);
  if (answer === undefined) {
    const module = moduleOf(spec);
    const format = mlxFormat(name, module ?? "");
    if (format === null) return notMlx(name);
    answer = { status: "ok", spec: { ...spec, weights: { name, basis: format.basis } } };
    ofSpec.set(name, answer);
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

/** The repository's own type, or for a GGUF file, which mlx-lm does not read, MLX's format that is nearest to it. */
function ownWeights(spec: ModelSpec, published: string | null | undefined): string {
  if (spec.tensorSource === "file") return nearestFormat(sizeWeights(spec, EXACT).total, spec);
  const name = (published ?? "bf16").toLowerCase();
  return name === "mxfp4_moe" ? "mlx-mxfp4" : name;
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
  typeWeights: (spec, name, { published }) => typeAs(spec, (name ?? ownWeights(spec, published)).trim().toLowerCase()),
  weightsChoices: offered,
  weightsBytes: (model) => sizesOf(model).total,
  // What a conversion to GGUF would change is nothing to mlx-lm.
  weightsWarnings: () => [],
};
