import { formatWeights } from "../../format-choice.ts";
import type { Machine } from "../../machine.ts";
import type { ModelSpec } from "../../model.ts";
import type { PlanOptions } from "../../options.ts";
import type { FormatMethod } from "../../parts/formats/format.ts";
import { formatOf } from "../../parts/formats/index.ts";
import type { Basis, OptionValue, Part } from "../../result.ts";
import type { EnginePlan, EngineRefusal, Loading, Runtime } from "../runtime.ts";
import { assemble, type RankLoad } from "../torch/assemble.ts";
import { memoryOf } from "../torch/memory.ts";
import { rotaryBytes } from "../torch/parameters.ts";
import { vllmCommand } from "./command.ts";
import { vllmDifference } from "./difference.ts";
import { explainVllm } from "./explain.ts";
import { resolveVllm, type VllmOptions } from "./options.ts";
import { loadOf, type Pool, type Pooled, poolOf } from "./pool.ts";
import { prepareVllm } from "./prepare.ts";
import { rangeOf } from "./range.ts";
import { VLLM_VERSIONS, vllmRules } from "./rules.ts";
import { poolWarnings } from "./warnings.ts";

/** @source vLLM v0.33.0 model_executor/layers/quantization/__init__.py */
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

export const VLLM: Runtime = {
  id: "vllm",
  versions: VLLM_VERSIONS,
  difference: vllmDifference,
  kvOffered: ["fp8"],
  plan: planVllm,
  ...formatWeights({
    engine: "vLLM",
    offered: [
      "bf16",
      "f16",
      "fp8",
      "w8a8-int8",
      "gptq-8bit-g128",
      "gptq-4bit-g128",
      "awq-4bit-g128",
      "w4a16-g128",
      "bnb-nf4",
      "nvfp4",
      "mxfp4",
    ],
    loads: ({ method }) => LOADED.has(method),
  }),
};

function planVllm(
  model: ModelSpec,
  asked: PlanOptions,
  machine: Machine,
  loading?: Loading,
): EnginePlan | EngineRefusal {
  const rules = vllmRules(loading?.version ?? null);
  const resolution = resolveVllm(model, asked, machine, rules);
  if (resolution.status === "refused") return resolution;
  const { options } = resolution;
  const { tensor, pipeline } = options.ranks;
  const device = machine.accelerators[0];
  if (device === undefined) throw new RangeError("Cannot plan ranks without an accelerator");
  const prepared = prepareVllm(model, options, device, rules);
  if (prepared.status === "refused") return prepared;
  const { pooled, weights } = prepared;
  const slots = [...machine.accelerators, machine.host];
  const used = tensor * pipeline;
  const { reserved, budget, startSpare, blocked } = budgets(machine, options, used);
  const load = (context: number, sequences: number, said: boolean): RankLoad =>
    loadOf(pooled, context, sequences, said);
  let pool: Pool | null = null;
  const plan = assemble({
    model,
    machine,
    slots,
    ranks: options.ranks,
    weights,
    rotaryBytes: rotaryBytes(model),
    context: options.context,
    sequences: options.sequences,
    sequencesAsked: options.sequencesAsked,
    mostSequences: options.batch,
    options: {},
    reserved,
    budget,
    startSpare,
    load,
    basis: BASIS,
    range: (at, bytes) => rangeOf(at, bytes, options.ranks),
    warnings: [],
    command: (source) => vllmCommand(options, rules, source, formatOf(model).id),
    explain: () => explainVllm(pooled, plan, pool),
  });
  pool = poolOf(pooled, plan.parts.weights_bytes, budget, options.sequencesAsked);
  return {
    ...plan,
    options: describe(options, pooled, pool),
    warnings: [...resolution.warnings, ...(blocked === null ? [] : [blocked]), ...poolWarnings(pooled, plan, pool)],
  };
}

/** What the driver reports and rules of the source are exact; what a step needs is a formula with fitted parts. */
const BASIS: Readonly<Record<Part, Basis>> = {
  weights_bytes: "modelled",
  kv_cache_bytes: "exact",
  state_bytes: "exact",
  compute_bytes: "modelled",
  output_bytes: "exact",
  overhead_bytes: "modelled",
};

interface Budgets {
  readonly reserved: Float64Array;
  /** memory x utilization. */
  readonly budget: readonly (number | null)[];
  /** Free beyond that share; null: not known. */
  readonly startSpare: readonly (number | null)[];
  /** Why vLLM would not start here; null: it would. */
  readonly blocked: string | null;
}

/** vLLM takes its share of the whole memory, and does not start where that much is not free. */
function budgets(machine: Machine, { utilization }: VllmOptions, used: number): Budgets {
  const slots = machine.accelerators.length + 1;
  const reserved = new Float64Array(slots);
  const budget: (number | null)[] = Array.from({ length: slots }, () => null);
  const startSpare: (number | null)[] = Array.from({ length: slots }, () => null);
  let blocked: string | null = null;
  for (const [i, device] of machine.accelerators.slice(0, used).entries()) {
    const memory = memoryOf(device);
    if (memory === null) continue;
    const share = Math.ceil(memory * utilization);
    budget[i] = share;
    reserved[i] = memory - share;
    if (device.freeBytes === null) continue;
    startSpare[i] = device.freeBytes - share;
    if (device.freeBytes < share)
      blocked = `vLLM does not start: it wants ${utilization} of ${device.name}'s memory, and no more than ${Math.floor((device.freeBytes / memory) * 100) / 100} of it is free. Free some, or take a smaller --memory-utilization.`;
  }
  return { reserved, budget, startSpare, blocked };
}

function describe(options: VllmOptions, pooled: Pooled, pool: Pool | null): Record<string, OptionValue> {
  return {
    context: options.context,
    sequences: options.sequences,
    max_num_seqs: options.sequencesAsked ? options.sequences : options.defaultSequences,
    batch: options.batch,
    kv_type: options.kvType === "auto" ? "bf16" : options.kvType,
    swa_full: options.swaFull,
    tensor_parallel: options.ranks.tensor,
    pipeline_parallel: options.ranks.pipeline,
    memory_utilization: options.utilization,
    block_tokens: pooled.blockTokens,
    pool_bytes: pool?.bytes ?? null,
    pool_blocks: pool?.blocks ?? null,
    pool_tokens: pool?.tokens ?? null,
    max_concurrency: pool === null ? null : Math.round(pool.concurrency * 100) / 100,
  };
}
