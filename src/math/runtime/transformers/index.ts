import { formatBytes, formatInteger } from "../../format.ts";
import { formatWeights } from "../../format-choice.ts";
import { type Machine, plannableBytes } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import type { FormatMethod } from "../../parts/formats/format.ts";
import { sizesOf } from "../../parts/formats/index.ts";
import type { Basis, OptionValue, Part } from "../../result.ts";
import type { EnginePlan, EngineRefusal, Runtime } from "../runtime.ts";
import { assemble } from "../torch/assemble.ts";
import { isEncoder } from "../torch/encoder.ts";
import type { RankWeights } from "../torch/parameters.ts";
import { transformersCommand } from "./command.ts";
import { layerCosts, loadOf } from "./memory.ts";
import { resolveTransformers, type TransformersOptions } from "./options.ts";

/** @source transformers v5.24.0 quantizers/auto.py */
const LOADED: ReadonlySet<FormatMethod> = new Set([
  "plain",
  "fp8-block",
  "gptq",
  "awq",
  "bitsandbytes",
  "compressed-tensors",
  "mxfp4",
  "hqq",
  "torchao",
]);

export const TRANSFORMERS: Runtime = {
  id: "transformers",
  versions: ["5.24.0"],
  difference,
  kvOffered: [],
  plan: planTransformers,
  ...formatWeights({
    engine: "transformers",
    offered: ["f32", "bf16", "f16", "gptq-4bit-g128", "awq-4bit-g128", "bnb-int8", "bnb-nf4", "mxfp4"],
    loads: ({ method }) => LOADED.has(method),
    keeps32: true,
  }),
};

/** The dynamic cache's tensors are as transformers makes them, to the byte; at which moment most are held is reasoned. */
const BASIS: Readonly<Record<Part, Basis>> = {
  weights_bytes: "modelled",
  kv_cache_bytes: "exact",
  state_bytes: "exact",
  compute_bytes: "modelled",
  output_bytes: "modelled",
  overhead_bytes: "modelled",
};

const MOST_SEQUENCES = 4096;

function planTransformers(model: ModelSpec, asked: PlanOptions, machine: Machine): EnginePlan | EngineRefusal {
  const resolution = resolveTransformers(model, asked, machine);
  if (resolution.status === "refused") return resolution;
  const { options, slots } = resolution;
  const backend = slots[0]?.backend ?? "cpu";
  const costs = layerCosts(model, options.elementBytes);
  const reserved = new Float64Array(slots.length);
  const budget = slots.map((device, i) => {
    if (i >= options.stages) return null;
    reserved[i] = options.reserveBytes;
    const memory = plannableBytes(device);
    return memory === null ? null : memory - options.reserveBytes;
  });
  const plan = assemble({
    model,
    machine,
    slots,
    ranks: { tensor: 1, pipeline: options.stages },
    weights: weightsOf(model),
    rotaryBytes: 0,
    context: options.context,
    sequences: options.sequences,
    sequencesAsked: options.sequencesAsked,
    mostSequences: MOST_SEQUENCES,
    options: {},
    reserved,
    budget,
    load: (context, sequences) => loadOf(model, costs, { ...options, context, sequences }, backend),
    basis: BASIS,
    range: ({ stages }, weights) => {
      const moves = stages.reduce((sum, { compute, output, overhead }) => sum + compute + output + overhead, 0);
      return { less: weights * 0.005 + moves * 0.5, more: weights * 0.01 + moves };
    },
    warnings: [...resolution.warnings, ...eagerWarning(options)],
    command: (source) => transformersCommand(options, backend, source, model.weights?.name ?? "auto", isEncoder(model)),
    explain: () => explain(model, options, plan),
  });
  return { ...plan, options: describe(options) };
}

/** Tensors as the files have them: nothing is merged or padded. */
function weightsOf(model: ModelSpec): RankWeights {
  const { layers, outside, aside } = sizesOf(model);
  return { layers, outside: [...outside, ...aside] };
}

function eagerWarning({ attention, context, chunk }: TransformersOptions): string[] {
  if (attention !== "eager" || (chunk ?? context) < 4096) return [];
  return [
    "Attention without a fused kernel writes down every score of the prompt: it grows with the square of its length.",
  ];
}

function describe(options: TransformersOptions): Record<string, OptionValue> {
  return {
    context: options.context,
    sequences: options.sequences,
    batch: options.chunk,
    kv_type: options.type,
    attention: options.attention,
    pipeline_parallel: options.stages,
    reserve_bytes: options.reserveBytes,
  };
}

function difference(model: ModelSpec): string {
  if (model.layers.some(({ mixers }) => mixers.some(({ kind }) => kind === "sliding" || kind === "chunked")))
    return "transformers computes the whole prompt at once, and windowed layers hold all of its keys until the first word is out.";
  if (model.layers.some(({ mixers }) => mixers.some(({ kind }) => kind === "latent")))
    return "transformers keeps latent rows compressed and decompresses a layer's whole cache at every word.";
  return "transformers computes the whole prompt at once: a step's work grows with the context.";
}

function explain(model: ModelSpec, options: TransformersOptions, plan: EnginePlan): readonly string[] {
  const sum = (bytes: Iterable<number>): string => {
    let all = 0;
    for (const one of bytes) all += one;
    return formatBytes(all);
  };
  const { context, sequences, chunk } = options;
  const prompt = chunk === null ? "the whole prompt at once" : `${formatInteger(chunk)} tokens at once`;
  return [
    `Weights: tensors of ${model.layers.length} layers as the files have them = ${sum(plan.parts.weights_bytes)} (modelled)`,
    `KV cache: ${formatInteger(sequences)} × ${formatInteger(context)} tokens, with ${prompt} = ${sum(plan.parts.kv_cache_bytes)} (exact)`,
    `State: a convolution's whole kernel in ${8 * options.elementBytes} bits, states in 32 = ${sum(plan.parts.state_bytes)} (exact)`,
    `Compute: the fullest layer of a step over ${prompt}, ${options.attention} attention, a layer's cache copied = ${formatBytes(Math.max(...plan.parts.compute_bytes))} (modelled)`,
    isEncoder(model)
      ? "Output: the last layer's hidden states, counted as its work; no words, no cache"
      : `Output: ${formatInteger(sequences)} × ${formatInteger(model.vocabularySize)} words × ${options.elementBytes + 4} B = ${sum(plan.parts.output_bytes)} (modelled)`,
    `Libraries: PyTorch and its back-end = ${sum(plan.parts.overhead_bytes)} (modelled, not measured here)`,
  ];
}
