import { isQuantized } from "../../ggml-types.ts";
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import { KV_TYPES, type KvName, type KvType, type PlanOptions } from "../../options.ts";
import { MIB } from "../../units.ts";
import { refuseForeign } from "../foreign-options.ts";
import { MAX_SEQUENCES } from "./caches.ts";
import { bufferNames, refuseOverride } from "./overrides.ts";
import { offloadableLayers } from "./placement.ts";
import { type LlamaCppRules, NEWEST_RULES } from "./rules.ts";
import type { LlamaCppOptions } from "./types.ts";

/** n_batch and n_ubatch of every llama.cpp front. @source common/common.h@34af94cd9ab277632e27caeec2d41de2fd091b31 */
export const DEFAULT_BATCH = 2048;
export const DEFAULT_UBATCH = 512;
/** hwLedger's own default, cut to what the model was trained for: llama.cpp would take all of it. */
export const DEFAULT_CONTEXT = 8192;
/** What `--fit` leaves free on each accelerator. @source common/common.h fit_params_target@34af94cd9ab277632e27caeec2d41de2fd091b31 (since b7407) */
export const FIT_MARGIN_BYTES = 1024 * MIB;

/** Options of other engines. */
const FOREIGN = ["tensorParallel", "pipelineParallel", "memoryUtilization"] as const;

const ggmlType = (name: KvName): KvType | null => KV_TYPES.find((type) => type === name) ?? null;

export type Resolution =
  | {
      readonly status: "ok";
      readonly options: LlamaCppOptions;
      readonly autoGpuLayers: boolean;
      readonly warnings: readonly string[];
    }
  /** The engine would not start with these options. */
  | { readonly status: "refused"; readonly reason: string; readonly hint: string };

/**
 * Fills every open option with llama.cpp's own default. With `gpuLayers` auto the answer starts with all layers;
 * solve.ts then lowers it.
 * @param engine what the program over llama.cpp is called where it refuses something
 */
export function resolveOptions(
  model: ModelSpec,
  asked: PlanOptions,
  machine: Machine,
  rules: LlamaCppRules = NEWEST_RULES,
  engine = "llama.cpp",
): Resolution {
  const foreign = refuseForeign(engine, asked, FOREIGN);
  if (foreign !== null) return foreign;
  const warnings: string[] = [];
  const context = asked.context ?? Math.min(DEFAULT_CONTEXT, model.contextTrained ?? DEFAULT_CONTEXT);
  if (model.contextTrained !== null && context > model.contextTrained) {
    warnings.push(
      `The context of ${context} tokens is more than the ${model.contextTrained} the model was trained for.`,
    );
  }
  const sequences = asked.sequences ?? 1;
  if (sequences > MAX_SEQUENCES) {
    return {
      status: "refused",
      reason: `${engine} holds at most ${MAX_SEQUENCES} sequences at once; ${sequences} were asked for`,
      hint: `take --sequences ${MAX_SEQUENCES} or fewer`,
    };
  }
  const kvUnified = asked.kvUnified ?? false;
  const batch = asked.batch ?? DEFAULT_BATCH;
  const ubatch = Math.min(asked.ubatch ?? DEFAULT_UBATCH, batch);
  const program = asked.program ?? "llama-server";
  const [kvTypeK, kvTypeV] = [ggmlType(asked.kvTypeK ?? "F16"), ggmlType(asked.kvTypeV ?? "F16")];
  const flashAttention = asked.flashAttention === "on" || (asked.flashAttention !== "off" && rules.flashAttention);

  if (kvTypeK === null || kvTypeV === null) {
    const name = (kvTypeK === null ? asked.kvTypeK : asked.kvTypeV) ?? "";
    return {
      status: "refused",
      reason: `${engine} has no cache type ${name.toLowerCase()}`,
      hint: `take one of ${KV_TYPES.map((type) => type.toLowerCase()).join(", ")}`,
    };
  }
  if (!flashAttention && isQuantized(kvTypeV)) {
    return {
      status: "refused",
      reason: `${engine} needs flash attention for a V cache of type ${kvTypeV.toLowerCase()}`,
      hint: "leave --flash-attention on, or keep V in f16",
    };
  }
  const refusedCache = refuseKvTypes(engine, model, kvTypeK, kvTypeV, flashAttention);
  if (refusedCache !== null) return refusedCache;

  const all = offloadableLayers(model);
  const auto = asked.gpuLayers === null || asked.gpuLayers === "auto";
  const gpuLayers =
    machine.accelerators.length === 0 ? 0 : typeof asked.gpuLayers === "number" ? Math.min(asked.gpuLayers, all) : all;
  if (typeof asked.gpuLayers === "number" && asked.gpuLayers > 0 && machine.accelerators.length === 0) {
    warnings.push("This machine has no accelerator: all layers stay in system memory.");
  }
  const splitMode = asked.splitMode ?? "layer";
  if (asked.tensorSplit !== null && asked.tensorSplit.length > machine.accelerators.length) {
    return {
      status: "refused",
      reason: `--tensor-split names ${asked.tensorSplit.length} devices; this machine has ${machine.accelerators.length}`,
      hint: "give one fraction for each accelerator",
    };
  }
  for (const override of asked.overrideTensor ?? []) {
    const wrong = refuseOverride(override, machine);
    if (wrong === null) continue;
    return {
      status: "refused",
      reason: `${engine} can't take --override-tensor ${override.pattern}=${override.buffer}: ${wrong}`,
      hint: `give a short pattern and one of ${bufferNames(machine).join(", ")}, as exps=CPU`,
    };
  }
  return {
    status: "ok",
    autoGpuLayers: auto && machine.accelerators.length > 0,
    warnings,
    options: {
      context,
      sequences,
      kvUnified,
      batch,
      ubatch,
      program,
      kvTypeK,
      kvTypeV,
      flashAttention,
      swaFull: asked.swaFull ?? false,
      gpuLayers,
      cpuMoeLayers: asked.cpuMoeLayers ?? 0,
      splitMode,
      tensorSplit: asked.tensorSplit,
      overrideTensor: asked.overrideTensor ?? [],
      reserveBytes: asked.reserveBytes ?? FIT_MARGIN_BYTES,
      outputs: outputRows(program, sequences, batch, rules),
      rules,
      ...(asked.reserveBytes !== null && machine.accelerators.length === 0
        ? { hostReserveBytes: asked.reserveBytes }
        : {}),
      ...(isEncoder(model) ? { causal: false } : {}),
    },
  };
}

/**
 * n_outputs_max: llama-server asks for one row of logits per sequence and one for each token drafted, every other front for a whole batch.
 * @source tools/server/server-context.cpp@34af94cd9ab277632e27caeec2d41de2fd091b31 (since b9460)
 */
export function outputRows(
  program: LlamaCppOptions["program"],
  sequences: number,
  batch: number,
  rules: LlamaCppRules,
  draftTokens = 0,
): number {
  return program === "llama-server" && rules.fewOutputs ? sequences * (1 + draftTokens) : batch;
}

const encoders = new WeakMap<ModelSpec, boolean>();

function isEncoder(model: ModelSpec): boolean {
  let known = encoders.get(model);
  if (known === undefined) {
    known = model.layers.some(({ mixers }) => mixers.some((mixer) => "cached" in mixer && !mixer.cached));
    encoders.set(model, known);
  }
  return known;
}

/**
 * Rows of a quantized cache are made of whole blocks of 32: head by head with flash attention, else all heads together
 * (where llama.cpp asks nothing first, and aborts). MLA reads V out of K.
 * @source src/llama-context.cpp llama_init_from_model at llama.cpp v0.5.0, asked itself: tests/differential
 */
function refuseKvTypes(
  engine: string,
  model: ModelSpec,
  k: LlamaCppOptions["kvTypeK"],
  v: LlamaCppOptions["kvTypeV"],
  flashAttention: boolean,
): Resolution | null {
  if (k === v && !isQuantized(k)) return null;
  for (const layer of model.layers) {
    for (const mixer of layer.mixers) {
      if (mixer.kind === "state") continue;
      if (mixer.kind === "latent") {
        if (k === v) continue;
        return {
          status: "refused",
          reason: `${engine} keeps one latent row for K and V, so both need one type: ${k.toLowerCase()} and ${v.toLowerCase()} were asked for`,
          hint: `take --kv-type ${k.toLowerCase()}`,
        };
      }
      const together = flashAttention ? 1 : mixer.kvHeads;
      if (
        (isQuantized(k) && (together * mixer.headDimK) % 32 !== 0) ||
        (isQuantized(v) && (together * mixer.headDimV) % 32 !== 0)
      ) {
        return {
          status: "refused",
          reason: `${engine} can't quantize the cache of layer ${layer.index}: its heads have ${mixer.headDimK} and ${mixer.headDimV} elements, and blocks hold 32`,
          hint: "keep the cache in f16",
        };
      }
    }
  }
  return null;
}
