import { formatInteger } from "../../format.ts";
import { formatWeights } from "../../format-choice.ts";
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import type { FormatMethod } from "../../parts/formats/format.ts";
import { formatOf } from "../../parts/formats/index.ts";
import type { Basis, OptionValue, Part } from "../../result.ts";
import { GIB } from "../../units.ts";
import type { EnginePlan, EngineRefusal, Runtime } from "../runtime.ts";
import { largest } from "../search.ts";
import { assemble, type RankLoad } from "../torch/assemble.ts";
import { isEncoder } from "../torch/encoder.ts";
import { memoryOf } from "../torch/memory.ts";
import { rankWeights, rotaryBytes } from "../torch/parameters.ts";
import { sglangCommand } from "./command.ts";
import { explainSglang } from "./explain.ts";
import { resolveSglang, type SglangOptions } from "./options.ts";
import { activationBytes, graphBytes, isLatent, layerCells, loadOf, poolsFor, type SglangLoad } from "./pool.ts";
import { hasWindowPool, WINDOW_RATIO } from "./rules.ts";

/** @source SGLang v0.5.23 srt/layers/quantization/__init__.py */
const LOADED: ReadonlySet<FormatMethod> = new Set([
  "plain",
  "fp8",
  "fp8-block",
  "int8",
  "gptq",
  "awq",
  "compressed-tensors",
  "nvfp4",
  "mxfp4",
  "bitsandbytes",
  "torchao",
]);

export const SGLANG: Runtime = {
  id: "sglang",
  versions: ["0.5.23"],
  difference,
  kvOffered: ["fp8", "fp8_e5m2"],
  plan: planSglang,
  ...formatWeights({
    engine: "SGLang",
    offered: ["bf16", "f16", "fp8", "w8a8-int8", "gptq-4bit-g128", "awq-4bit-g128", "w4a16-g128", "nvfp4", "mxfp4"],
    loads: ({ method }) => LOADED.has(method),
  }),
};

/** Memory of a GPU that is taken before SGLang looks: its own CUDA context. Not measured. */
const CONTEXT_BYTES = GIB / 2;

function planSglang(model: ModelSpec, asked: PlanOptions, machine: Machine): EnginePlan | EngineRefusal {
  const resolution = resolveSglang(model, asked, machine);
  if (resolution.status === "refused") return resolution;
  const { options } = resolution;
  const { ranks } = options;
  const cells = layerCells(model, options);
  const sglang: SglangLoad = { model, options, cells };
  const slots = [...machine.accelerators, machine.host];
  const load = (context: number, sequences: number): RankLoad => loadOf(sglang, context, sequences);
  const { reserved, budget } = budgets(machine, sglang, ranks.tensor * ranks.pipeline);
  const warnings = windowsWarning(model);
  const plan = assemble({
    model,
    machine,
    slots,
    ranks,
    weights: rankWeights(model, ranks.tensor),
    rotaryBytes: rotaryBytes(model),
    context: options.context,
    sequences: options.sequences,
    sequencesAsked: options.sequencesAsked,
    mostSequences: MOST_SEQUENCES,
    options: {},
    reserved,
    budget,
    load,
    basis: BASIS,
    range: ({ stages }, weights) => {
      const moves = stages.reduce((sum, { compute, overhead }) => sum + ranks.tensor * (compute + overhead), 0);
      return { less: weights * 0.005 + moves * 0.5, more: weights * 0.01 + moves };
    },
    warnings: [...resolution.warnings, ...warnings],
    command: (source) => sglangCommand(options, source, formatOf(model).id, isEncoder(model)),
    explain: () => explainSglang(sglang, plan, tokens),
  });
  const tokens = tokensIn(sglang, plan);
  return {
    ...plan,
    options: describe(options, tokens),
    warnings: [...plan.warnings, ...poolWarning(options, tokens)],
    // Another number of sequences is another batch of graphs, and so another share of the memory.
    limits: () => ({
      ...plan.limits(),
      maxSequences: largest(1, MOST_SEQUENCES, (n) => holds(model, asked, machine, n)),
    }),
  };
}

function holds(model: ModelSpec, asked: PlanOptions, machine: Machine, sequences: number): boolean {
  const plan = planSglang(model, { ...asked, sequences }, machine);
  return plan.status === "planned" && plan.spare.every((left) => left === null || left >= 0);
}

/** max_running_requests is never more. @source SGLang v0.5.23 srt/mem_cache/kv_cache_configurator.py resolve_max_num_reqs */
const MOST_SEQUENCES = 4096;

/** Cells of the pools are SGLang's own arithmetic, in 0.5.23; nobody's logs are at hand to check them. */
const BASIS: Readonly<Record<Part, Basis>> = {
  weights_bytes: "modelled",
  kv_cache_bytes: "modelled",
  state_bytes: "modelled",
  compute_bytes: "modelled",
  output_bytes: "modelled",
  overhead_bytes: "modelled",
};

/**
 * Weights and pools fit into fraction x what was free at the start; a step and its graphs into the rest, which is
 * reckoned with by size of GPU, not by model.
 */
function budgets(
  machine: Machine,
  { model, options }: SglangLoad,
  used: number,
): { readonly reserved: Float64Array; readonly budget: readonly (number | null)[] } {
  const count = machine.accelerators.length + 1;
  const reserved = new Float64Array(count);
  const budget: (number | null)[] = Array.from({ length: count }, () => null);
  const beside = activationBytes(model, options) + graphBytes(model, options);
  for (const [i, device] of machine.accelerators.slice(0, used).entries()) {
    const memory = memoryOf(device);
    if (memory === null) continue;
    const free = device.freeBytes ?? memory - CONTEXT_BYTES;
    const pools = Math.floor(free * options.fraction);
    budget[i] = Math.min(memory, pools + beside);
    reserved[i] = memory - (budget[i] ?? 0);
  }
  return { reserved, budget };
}

/** Tokens that the pool holds when it has taken all that the fraction gives it; null: no memory is known. */
function tokensIn(sglang: SglangLoad, plan: EnginePlan): number | null {
  const { cells, options } = sglang;
  if (!cells.some(({ full, windowed }) => full + windowed > 0)) return null;
  let tokens = Number.POSITIVE_INFINITY;
  const pools = poolsFor(cells, options, options.context, options.sequences);
  for (const [i, left] of plan.spare.entries()) {
    if (left === null || (plan.total[i] ?? 0) === 0) continue;
    const held = (plan.parts.kv_cache_bytes[i] ?? 0) + left;
    const each = (plan.parts.kv_cache_bytes[i] ?? 0) / pools.full;
    if (each > 0) tokens = Math.min(tokens, Math.max(0, Math.floor(held / each)));
  }
  return Number.isFinite(tokens) ? tokens : null;
}

function describe(options: SglangOptions, tokens: number | null): Record<string, OptionValue> {
  return {
    context: options.context,
    sequences: options.sequences,
    batch: options.chunk,
    kv_type: options.kvType === "auto" ? "bf16" : options.kvType,
    tensor_parallel: options.ranks.tensor,
    pipeline_parallel: options.ranks.pipeline,
    memory_utilization: options.fraction,
    graph_batch: options.graphBatch,
    pool_tokens: tokens,
  };
}

function poolWarning({ context }: SglangOptions, tokens: number | null): string[] {
  if (tokens === null || tokens < context) return [];
  return [
    `SGLang fills its share of the memory with a pool of about ${formatInteger(tokens)} tokens: ${(tokens / context).toFixed(1)} sequences of ${formatInteger(context)}.`,
  ];
}

function windowsWarning(model: ModelSpec): string[] {
  const windows = model.layers.some(({ mixers }) =>
    mixers.some(({ kind }) => kind === "sliding" || kind === "chunked"),
  );
  if (!windows || hasWindowPool(model.modelType)) return [];
  return ["SGLang keeps every token in this model's windowed layers, too: it has no pool of windows for it."];
}

function difference(model: ModelSpec): string {
  const share = "SGLang sets memory for steps and graphs aside by the size of the GPU, not by the model";
  if (model.layers.some(({ mixers }) => mixers.some(({ kind }) => kind === "state")))
    return `${share}; states get 0.9 of what keys and values get, three for each sequence.`;
  if (windowsWarning(model).length > 0) return `${share}; windowed layers are as long as the others.`;
  if (hasWindowPool(model.modelType))
    return `${share}; windowed layers have ${WINDOW_RATIO} of the other layers' tokens, however short the window.`;
  return isLatent(model)
    ? `${share}; latent rows stand on every rank.`
    : `${share}; tokens are kept one by one, not in blocks.`;
}
