/** Weights as engines that load safetensors have them: formats by name, computed from the model's geometry. */
import type { ModelSpec } from "./model.ts";
import { parseFormat, sizeFormat, sizesOf, type WeightFormat } from "./parts/formats/index.ts";
import type { WeightsChoice } from "./plan-input.ts";
import type { RuntimeWeights, TypedModel } from "./runtime/runtime.ts";

export interface FormatEngine {
  /** As a sentence names it: "mlx-lm". */
  readonly engine: string;
  /** Names of the formats that a person is offered. */
  readonly offered: readonly string[];
  /** Whether the engine loads, or makes, weights of a format; also of those not offered. */
  readonly loads: (format: WeightFormat) => boolean;
}

/** What weights are taken as when neither a person nor the model says. */
const UNSAID = "bf16";

export function formatWeights(engine: FormatEngine): RuntimeWeights {
  const typed = new WeakMap<ModelSpec, Map<WeightFormat, TypedModel>>();
  const lists = new WeakMap<ModelSpec, readonly WeightsChoice[]>();

  function typeAs(spec: ModelSpec, format: WeightFormat): TypedModel {
    const ofSpec = typed.get(spec) ?? new Map<WeightFormat, TypedModel>();
    typed.set(spec, ofSpec);
    const answer = ofSpec.get(format) ?? {
      status: "ok",
      spec: { ...spec, weights: { name: format.id, basis: format.basis } },
    };
    ofSpec.set(format, answer);
    return answer;
  }

  function choices(spec: ModelSpec): readonly WeightsChoice[] {
    let list = lists.get(spec);
    if (list === undefined) {
      list = engine.offered
        .flatMap((name) => {
          const format = parseFormat(name);
          return format === null ? [] : [{ name: format.id, bytes: sizeFormat(spec, format).total }];
        })
        .toSorted((a, b) => a.bytes - b.bytes);
      lists.set(spec, list);
    }
    return list;
  }

  return {
    typeWeights(spec, name) {
      if (name === null && spec.tensorSource === "file") return noGguf(engine);
      const format = parseFormat(name ?? UNSAID);
      if (format === null || !engine.loads(format)) return notLoaded(engine, name ?? UNSAID, format !== null);
      return typeAs(spec, format);
    },
    weightsChoices: choices,
    weightsBytes: (model) => sizesOf(model).total,
    weightsWarnings: () => [],
  };
}

function noGguf({ engine, offered }: FormatEngine): TypedModel {
  return {
    status: "error",
    message: `Cannot plan a GGUF file for ${engine}: it loads safetensors`,
    hint: `name the model's own repository, or what its weights shall be: ${listed(offered)}`,
  };
}

function notLoaded({ engine, offered }: FormatEngine, name: string, known: boolean): TypedModel {
  const why = known ? `${engine} does not load them` : "no such format is known";
  return {
    status: "error",
    message: `Cannot plan with weights "${name}": ${why}`,
    hint: `take one of ${listed(offered)}`,
  };
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, 12).join(", ")}${names.length > 12 ? " …" : ""}`;
}
