import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { KvName, PlanOptions } from "../../options.ts";
import { type ForeignOption, refuseForeign } from "../foreign-options.ts";
import type { EngineRefusal } from "../runtime.ts";
import { elementBytesOf } from "./format.ts";
import { whyNotLoaded } from "./loadable.ts";
import { moduleOf } from "./modules.ts";
import { DEFAULT_STEP, KV_GROUP, type MlxOptions, MOST_SEQUENCES } from "./options.ts";
import { traitsOf } from "./traits.ts";

/** hwLedger's own default, cut to what the model was trained for: mlx-lm has no limit at all. */
const DEFAULT_CONTEXT = 8192;

const FOREIGN: readonly ForeignOption[] = [
  "batch",
  "program",
  "flashAttention",
  "kvUnified",
  "swaFull",
  "gpuLayers",
  "cpuMoeLayers",
  "splitMode",
  "tensorSplit",
  "overrideTensor",
  "tensorParallel",
  "pipelineParallel",
  "memoryUtilization",
];

/** Bits that mx.quantize has. @source mlx 0.32.4 mx.quantize, affine */
const KV_BITS: ReadonlyMap<KvName, number> = new Map([
  ["Q2", 2],
  ["Q3", 3],
  ["Q4", 4],
  ["Q5", 5],
  ["Q6", 6],
  ["Q8", 8],
]);
const AS_ACTIVATIONS: ReadonlySet<KvName> = new Set<KvName>(["F16", "BF16"]);

export type Resolution =
  | {
      readonly status: "ok";
      readonly module: string;
      readonly options: MlxOptions;
      readonly warnings: readonly string[];
    }
  | EngineRefusal;

const refusal = (reason: string, hint: string): EngineRefusal => ({ status: "refused", reason, hint });

/** Fills every open option with mlx-lm's own default, and says what mlx-lm would not do. */
export function resolveOptions(model: ModelSpec, asked: PlanOptions, machine: Machine): Resolution {
  const module = moduleOf(model);
  if (module === null) {
    const name = model.modelType ?? model.architecture;
    return refusal(`mlx-lm has no model of type ${name}`, "take another engine, as llama.cpp");
  }
  const unloadable = whyNotLoaded(model, module);
  if (unloadable !== null) return refusal(unloadable, "take another engine, as llama.cpp");
  const wrong = refuseMachine(machine) ?? refuseForeign("mlx-lm", asked, FOREIGN);
  if (wrong !== null) return wrong;
  const kv = resolveCache(model, module, asked);
  if (typeof kv === "object" && kv !== null) return kv;

  const warnings: string[] = [];
  const context = asked.context ?? Math.min(DEFAULT_CONTEXT, model.contextTrained ?? DEFAULT_CONTEXT);
  if (model.contextTrained !== null && context > model.contextTrained)
    warnings.push(
      `The context of ${context} tokens is more than the ${model.contextTrained} the model was trained for.`,
    );
  const sequences = asked.sequences ?? 1;
  if (sequences > MOST_SEQUENCES)
    return refusal(
      `hwLedger plans mlx-lm for at most ${MOST_SEQUENCES} sequences`,
      `take --sequences ${MOST_SEQUENCES} or fewer`,
    );
  if (sequences > 1 && kv !== null)
    return refusal("mlx-lm quantizes the cache of one sequence alone", "leave --kv-type out, or take --sequences 1");
  return {
    status: "ok",
    module,
    warnings,
    options: {
      context,
      sequences,
      step: asked.ubatch ?? DEFAULT_STEP,
      kvBits: kv,
      elementBytes: elementBytesOf(floatOf(model)),
      reserveBytes: asked.reserveBytes ?? 0,
    },
  };
}

/** The type of weights that are not packed, which activations and caches have as well. */
function floatOf({ weights }: ModelSpec): string {
  const own = weights?.checkpoint?.format;
  return own?.status === "ok" ? own.float : (weights?.name ?? "bf16");
}

function refuseMachine({ accelerators }: Machine): EngineRefusal | null {
  const [first] = accelerators;
  if (first === undefined || first.backend === "metal" || first.backend === "cuda" || first.backend === "cpu")
    return null;
  return refusal(`MLX does not run on ${first.name}`, "take a Mac, an NVIDIA GPU, or a processor alone");
}

/** Bits of the cache, null for none; or why it cannot be so. */
function resolveCache(model: ModelSpec, module: string, asked: PlanOptions): number | null | EngineRefusal {
  const key = asked.kvTypeK;
  const value = asked.kvTypeV ?? key;
  if (key === null && value === null) return null;
  if (key !== value) return refusal("mlx-lm keeps keys and values in one type", "name one --kv-type");
  if (key === null || AS_ACTIVATIONS.has(key)) return null;
  const bits = KV_BITS.get(key);
  if (bits === undefined) {
    return refusal(
      `mlx-lm has no cache type ${key.toLowerCase()}`,
      `take one of bf16, ${[...KV_BITS.keys()].map((name) => name.toLowerCase()).join(", ")}`,
    );
  }
  return refuseQuantizedCache(model, module) ?? bits;
}

/** @source mlx-lm 0.32.2 mlx_lm/models/cache.py to_quantized, base.py scaled_dot_product_attention */
function refuseQuantizedCache(model: ModelSpec, module: string): EngineRefusal | null {
  const hint = "leave --kv-type out";
  const traits = traitsOf(module);
  if (traits.sinks) return refusal("mlx-lm quantizes no cache beside attention sinks", hint);
  for (const layer of model.layers) {
    const attention = layer.mixers.filter((mixer) => mixer.kind !== "state");
    for (const mixer of attention) {
      if (mixer.kind === "latent")
        return refusal("mlx-lm cannot attend to a quantized cache of latent attention", hint);
      if (mixer.kind === "sliding" && mixer.window !== null && !traits.ignoresWindows)
        return refusal("mlx-lm quantizes no cache of layers with a window", hint);
      if (mixer.headDimK % KV_GROUP !== 0 || mixer.headDimV % KV_GROUP !== 0)
        return refusal(
          `mlx-lm quantizes a cache in groups of ${KV_GROUP}, and the heads are ${mixer.headDimK} and ${mixer.headDimV} wide`,
          hint,
        );
    }
    // A list of caches has no to_quantized: it would stay as it is, in silence.
    if (attention.length > 0 && (attention.length < layer.mixers.length || layer.sideCaches.length > 0))
      return refusal("mlx-lm quantizes no cache of layers that keep a list of caches", hint);
  }
  return null;
}
