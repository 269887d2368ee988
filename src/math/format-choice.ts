/** Weights as engines that load safetensors have them: the repository's own, or a format by its name. */
import type { ModelSpec } from "./model.ts";
import type { Checkpoint } from "./parts/formats/checkpoint.ts";
import { formatOfCheckpoint } from "./parts/formats/checkpoint-format.ts";
import { parseFormat, sizeFormat, sizesOf, type WeightFormat } from "./parts/formats/index.ts";
import type { WeightsChoice } from "./plan-input.ts";
import type { RuntimeWeights, TypedModel, WeightsSubject } from "./runtime/runtime.ts";

export interface FormatEngine {
  /** As a sentence names it: "mlx-lm". */
  readonly engine: string;
  /** Names of the formats that a person is offered. */
  readonly offered: readonly string[];
  /** Whether the engine loads, or makes, weights of a format; also of those not offered. */
  readonly loads: (format: WeightFormat) => boolean;
  /** Whether it keeps weights of 32 bits; nothing said: it makes 16 of them while it loads. */
  readonly keeps32?: boolean;
}

/** What weights are taken as when neither a person nor the model says. */
const UNSAID = "bf16";

export function formatWeights(engine: FormatEngine): RuntimeWeights {
  // Formats come and go with the names that people think of: what is typed for one goes with it.
  const typed = new WeakMap<ModelSpec, WeakMap<WeightFormat | Checkpoint, TypedModel>>();
  const lists = new WeakMap<ModelSpec, readonly WeightsChoice[]>();

  function kept(spec: ModelSpec, what: WeightFormat | Checkpoint, make: () => TypedModel): TypedModel {
    const ofSpec = typed.get(spec) ?? new WeakMap<WeightFormat | Checkpoint, TypedModel>();
    typed.set(spec, ofSpec);
    const answer = ofSpec.get(what) ?? make();
    ofSpec.set(what, answer);
    return answer;
  }

  function named(spec: ModelSpec, name: string): TypedModel {
    const format = parseFormat(name);
    if (format === null || !engine.loads(format)) return notLoaded(engine, name, format !== null);
    return kept(spec, format, () => ({
      status: "ok",
      spec: { ...spec, weights: { name: format.id, basis: format.basis } },
    }));
  }

  /** As the repository has them. */
  function own(spec: ModelSpec, checkpoint: Checkpoint): TypedModel {
    const { format } = checkpoint;
    if (format.status === "unknown") return format;
    if (format.id === "f32" && engine.keeps32 !== true) return named(spec, UNSAID);
    const weights = formatOfCheckpoint(format);
    if (!engine.loads(weights)) return notLoaded(engine, format.id, true);
    return kept(spec, checkpoint, () => ({
      status: "ok",
      spec: { ...spec, weights: { name: format.id, basis: basisOf(spec, checkpoint, weights), checkpoint } },
    }));
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
    readsSafetensors: true,
    typeWeights(spec, name, { checkpoint = null }) {
      if (name === null && spec.tensorSource === "file") return noGguf(engine);
      if (checkpoint !== null && (name === null || isNamed(checkpoint, name))) return own(spec, checkpoint);
      return named(spec, name ?? UNSAID);
    },
    weightsChoices: choices,
    weightsBytes: (model) => sizesOf(model).total,
    weightsWarnings: ({ checkpoint }: WeightsSubject) => asideNote(checkpoint ?? null),
  };
}

function isNamed({ format }: Checkpoint, name: string): boolean {
  return format.status === "ok" && format.id === name.trim().toLowerCase();
}

/** Exact: read from the files' table, or computed and equal to what their index says of all tensors. */
function basisOf(spec: ModelSpec, { table, totalBytes }: Checkpoint, format: WeightFormat): WeightFormat["basis"] {
  if (table !== null) return "exact";
  const { total, mtp } = sizeFormat(spec, format);
  return total + mtp.reduce((a, b) => a + b, 0) === totalBytes ? "exact" : format.basis;
}

function asideNote(checkpoint: Checkpoint | null): readonly string[] {
  const aside = checkpoint?.table?.aside ?? [];
  if (aside.length === 0) return [];
  const parts = aside.map(({ name, bytes }) => `${name} ${(bytes / 1e9).toFixed(2)} GB`).join(", ");
  return [`The files also hold ${parts}, which a plan for text leaves out.`];
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
